"""The live view: heads, where they look and the picture, in a browser. It knows no ROS."""
