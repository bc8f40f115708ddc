; A fire module: SQUEEZED channels, then four times as many by a 1x1 and by a 3x3 convolution. FROM are its inputs.
[{{SECTION_NAME}}_squeeze]
Input={{FROM}}
Type=Conv
KernelSize=1
NbOutputs=$(round({{SQUEEZED}} * ${WIDTH}))
ActivationFunction=Rectifier
WeightsFiller=HeFiller
BiasFiller=ConstantFiller
BiasFiller.Value=0.0
ConfigSection=solver.cfg

[{{SECTION_NAME}}_expand1]
Input={{SECTION_NAME}}_squeeze
Type=Conv
KernelSize=1
NbOutputs=$(4 * round({{SQUEEZED}} * ${WIDTH}))
ActivationFunction=Rectifier
WeightsFiller=HeFiller
BiasFiller=ConstantFiller
BiasFiller.Value=0.0
ConfigSection=solver.cfg

[{{SECTION_NAME}}_expand3]
Input={{SECTION_NAME}}_squeeze
Type=Conv
KernelSize=3
Padding=1
NbOutputs=$(4 * round({{SQUEEZED}} * ${WIDTH}))
ActivationFunction=Rectifier
WeightsFiller=HeFiller
BiasFiller=ConstantFiller
BiasFiller.Value=0.0
ConfigSection=solver.cfg
