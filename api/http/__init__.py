"""What all URLs share: admission, answers, refusals, parameters, logs and metrics."""
