"""The envelope of an alert: signed clear header, sealed body, pair keys, attachments, and the steps of opening."""
