"""Networks: they map tensors to tensors and know no loss."""
