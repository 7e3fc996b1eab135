"""The watched folder: alert documents that another system drops into `watch/in` are sent as alerts."""
