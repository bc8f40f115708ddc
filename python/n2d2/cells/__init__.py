"""Layers and containers."""

from n2d2.cells import nn
from n2d2.cells.activation import Activation
from n2d2.cells.arithmetic import Arithmetic
from n2d2.cells.batch_norm import BatchNorm2d
from n2d2.cells.block import Block
from n2d2.cells.cell import Cell
from n2d2.cells.conv import Conv, ConvDepthWise, ConvPointWise
from n2d2.cells.deconv import Deconv
from n2d2.cells.deepnet_cell import DeepNetCell
from n2d2.cells.dropout import Dropout
from n2d2.cells.elem_wise import ElemWise
from n2d2.cells.explanation import ExplainedNode, Explanation
from n2d2.cells.fc import Fc
from n2d2.cells.function import Function
from n2d2.cells.iterable import Iterable
from n2d2.cells.layer import Layer
from n2d2.cells.lrn import LRN
from n2d2.cells.mat_mul import MatMul
from n2d2.cells.neural_network_cell import NeuralNetworkCell
from n2d2.cells.padding import Padding
from n2d2.cells.pool import GlobalPool2d, Pool, Pool2d
from n2d2.cells.rearrange import Rearrange
from n2d2.cells.reduce import Reduce
from n2d2.cells.reshape import Reshape
from n2d2.cells.resize import Resize
from n2d2.cells.scaling import Scaling
from n2d2.cells.sequence import Sequence
from n2d2.cells.softmax import Softmax
from n2d2.cells.trainable import Trainable
from n2d2.cells.transformation import Transformation
from n2d2.cells.transpose import Transpose

__all__ = [
    # Containers
    "Block",
    "DeepNetCell",
    "Iterable",
    "Layer",
    "Sequence",
    # What a container says of itself
    "ExplainedNode",
    "Explanation",
    # Layers
    "Activation",
    "Arithmetic",
    "BatchNorm2d",
    "Conv",
    "ConvDepthWise",
    "ConvPointWise",
    "Deconv",
    "Dropout",
    "ElemWise",
    "Fc",
    "Function",
    "GlobalPool2d",
    "LRN",
    "MatMul",
    "Padding",
    "Pool",
    "Pool2d",
    "Rearrange",
    "Reduce",
    "Reshape",
    "Resize",
    "Scaling",
    "Softmax",
    "Transformation",
    "Transpose",
    # The same layers once more
    "nn",
    # Abstract parents
    "Cell",
    "NeuralNetworkCell",
    "Trainable",
]
