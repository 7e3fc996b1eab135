"""An agency's own keys: rotation with an overlap, the certificate, publication, and warnings before anything ends."""
