"""Models: what they say of a tile. The only room with torch, which is imported where it is first needed, never before."""
