"""The runtimes that answer for a package: XGBoost and ONNX."""
