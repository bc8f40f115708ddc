; A stage of VGG: COUNT convolutions and a pool. STAGE is its number, FROM its input, END is COUNT + 1.
{% for i in range(1, END) %}
[conv{{STAGE}}_{{i}}]
Input={% if i == 1 %}{{FROM}}{% else %}${PREV_SECTION_NAME}{% endif %}

Type=Conv
KernelSize=3
Padding=1
NbOutputs=$(round({{FILTERS}} * ${WIDTH}))
ActivationFunction=Rectifier
WeightsFiller=HeFiller
BiasFiller=ConstantFiller
BiasFiller.Value=0.0
ConfigSection=solver.cfg
{% endfor %}

[pool{{STAGE}}]
Input=${PREV_SECTION_NAME}
Type=Pool
PoolSize=2
Stride=2
NbOutputs=$(round({{FILTERS}} * ${WIDTH}))
Pooling=Max
Mapping.Size=1
