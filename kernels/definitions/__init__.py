"""What each kernel computes, in plain NumPy: short, slow and the authority."""
