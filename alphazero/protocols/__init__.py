"""Protocols: GTP, UCI and KataGo's analysis protocol."""
