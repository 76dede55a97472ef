"""How a network's arithmetic is run: by torch itself, or exported once and run by onnxruntime or OpenVINO."""
