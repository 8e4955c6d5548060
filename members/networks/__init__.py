"""Networks of timm: built, pretrained, frozen, averaged, saved, and what they cost."""
