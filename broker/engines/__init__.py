"""Where blocks become durable."""
