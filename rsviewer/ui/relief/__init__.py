"""The 3D view. OpenGL and vispy are touched by nothing else, and only once it is opened."""
