"""Databases: images, their labels, and the partitions that they belong to."""

from __future__ import annotations

from n2d2.database.database import AbstractDatabase, Database
from n2d2.database.digits import Digits
from n2d2.database.mnist import MNIST
from n2d2.database.numpy import Numpy

__all__ = ["MNIST", "AbstractDatabase", "Database", "Digits", "Numpy"]
