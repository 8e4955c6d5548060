"""Curves and pictures for TensorBoard, Weights & Biases and MLflow."""
