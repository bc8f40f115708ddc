; A scale of MobileNet: separable convolutions, numbered from 1 to below END. FROM is its input, STRIDE that of the first.
{% for i in range(1, END) %}
[{{SECTION_NAME}}_{{i}}_dw]
Input={% if i == 1 %}{{FROM}}{% else %}${PREV_SECTION_NAME}{% endif %}

Type=Conv
KernelSize=3
Padding=1
{% if i == 1 %}
Stride={{STRIDE}}
NbOutputs=[{{FROM}}]NbOutputs
{% else %}
NbOutputs=$(round({{FILTERS}} * ${WIDTH}))
{% endif %}
Mapping.ChannelsPerGroup=1
WeightsFiller=HeFiller
ConfigSection=conv.cfg

[{{SECTION_NAME}}_{{i}}_dw_bn]
Input=${PREV_SECTION_NAME}
Type=BatchNorm
NbOutputs=[{{SECTION_NAME}}_{{i}}_dw]NbOutputs
ActivationFunction=Rectifier
ConfigSection=solver.cfg

[{{SECTION_NAME}}_{{i}}_pw]
Input=${PREV_SECTION_NAME}
Type=Conv
KernelSize=1
NbOutputs=$(round({{FILTERS}} * ${WIDTH}))
WeightsFiller=HeFiller
ConfigSection=conv.cfg

[{{SECTION_NAME}}_{{i}}_pw_bn]
Input=${PREV_SECTION_NAME}
Type=BatchNorm
NbOutputs=$(round({{FILTERS}} * ${WIDTH}))
ActivationFunction=Rectifier
ConfigSection=solver.cfg
{% endfor %}
