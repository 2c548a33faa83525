"""Satlas (Bastani et al., ICCV 2023): one backbone, a pyramid, and a head for each of many tasks, as published."""
