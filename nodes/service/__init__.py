"""What a node does for those who use it locally: the object behind the local API and the watched folder."""
