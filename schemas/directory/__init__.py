"""Who is who and which rules are in force: the governed documents, their signatures, and their history by log index."""
