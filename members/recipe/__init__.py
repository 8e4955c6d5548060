"""How a member is trained, as validated settings; imports neither torch nor timm."""

from members.recipe.recipe import Recipe

__all__ = ["Recipe"]
