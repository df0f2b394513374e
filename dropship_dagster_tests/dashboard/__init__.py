"""The dashboard: its parts by themselves, its pages through AppTest, and the whole in a real browser."""
