"""Networks that are known by name, ready to be trained: `Sequence`s of the layers of `n2d2.cells`.

Their parameters and multiply-accumulates are those of the publications, which count the products with the zeros of
the padding too; `summary()` leaves these out and counts each bias once. Convolutions are drawn by `filler.He`.

The folder `ini` has the same networks as INI files for `n2d2.ini.load`, to copy and change: `lenet`, `alexnet`,
`vgg11`, `vgg16`, `resnet18`, `resnet34`, `resnet50`, `mobilenet_v1`, `mobilenet_v2`, `squeezenet_1_0`,
`squeezenet_1_1`, `autoencoder`, `segmentation`.
"""

from n2d2.models.alex_net import AlexNet
from n2d2.models.auto_encoder import AutoEncoder
from n2d2.models.lenet import LeNet, LeNetBN
from n2d2.models.mobile_net import MobileNetv1, MobileNetV2
from n2d2.models.resnet import ResNet, ResNet18, ResNet34, ResNet50, ResNet101, ResNet152
from n2d2.models.segmentation import SegmentationNetwork, SmallSegmentationNetwork
from n2d2.models.squeeze_net import SqueezeNet
from n2d2.models.vgg import VGG, VGG11, VGG13, VGG16, VGG19, VGGBackbone, VGGHead

__all__ = [
    "AlexNet",
    "AutoEncoder",
    "LeNet",
    "LeNetBN",
    "MobileNetV2",
    "MobileNetv1",
    "ResNet",
    "ResNet18",
    "ResNet34",
    "ResNet50",
    "ResNet101",
    "ResNet152",
    "SegmentationNetwork",
    "SmallSegmentationNetwork",
    "SqueezeNet",
    "VGG",
    "VGG11",
    "VGG13",
    "VGG16",
    "VGG19",
    "VGGBackbone",
    "VGGHead",
]
