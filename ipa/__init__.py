"""ipa keeps a multi-stage inference pipeline at the best trade of accuracy and cost inside its latency objective."""
