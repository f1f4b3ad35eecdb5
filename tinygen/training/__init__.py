"""The training room: from a configuration to a run directory that survives anything.

contract.py        what a model is asked for
registry.py        the models by name
assemble.py        from a configuration to data, model, learner, order, randomness
loop.py            steps, log, pictures, checkpoints; going on after a stop, a kill, a failure
follower.py        the loop on ranks that keep no records
run_directory.py   what lies where; config.json
checkpoint.py      everything a run needs to go on, verified
tree.py            nested states as arrays by name and JSON
metrics_log.py     metrics.jsonl
files.py           atomic writes
stop.py            Ctrl-C
progress.py        the live display, plain lines
pictures.py        samples as PNG
curves.py          the loss curve
report.py          report.html
"""
