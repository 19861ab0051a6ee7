"""What the model server keeps for its clients: responses and conversations."""
