; A stage of ResNet: COUNT residual blocks. BLOCK is basic (two 3x3 convolutions) or bottleneck (1x1, 3x3, 1x1).
; FROM is its input; STRIDE is that of its first block; PROJECTED is 1 if the first block needs a 1x1 convolution
; beside its branch, because the number of channels or the size of the image changes.
{% for i in range(COUNT) %}
[{{SECTION_NAME}}_{{i}}_conv1]
Input={% if i == 0 %}{{FROM}}{% else %}${PREV_SECTION_NAME}{% endif %}

Type=Conv
{% if BLOCK == basic %}
KernelSize=3
Padding=1
{% if i == 0 %}
Stride={{STRIDE}}
{% endif %}
{% else %}
KernelSize=1
{% endif %}
NbOutputs=$(round({{FILTERS}} * ${WIDTH}))
WeightsFiller=HeFiller
ConfigSection=conv.cfg

[{{SECTION_NAME}}_{{i}}_conv1_bn]
Input=${PREV_SECTION_NAME}
Type=BatchNorm
NbOutputs=$(round({{FILTERS}} * ${WIDTH}))
ActivationFunction=Rectifier
ConfigSection=solver.cfg

[{{SECTION_NAME}}_{{i}}_conv2]
Input=${PREV_SECTION_NAME}
Type=Conv
KernelSize=3
Padding=1
{% if BLOCK == bottleneck %}
{% if i == 0 %}
Stride={{STRIDE}}
{% endif %}
{% endif %}
NbOutputs=$(round({{FILTERS}} * ${WIDTH}))
WeightsFiller=HeFiller
ConfigSection=conv.cfg

[{{SECTION_NAME}}_{{i}}_conv2_bn]
Input=${PREV_SECTION_NAME}
Type=BatchNorm
NbOutputs=$(round({{FILTERS}} * ${WIDTH}))
{% if BLOCK == bottleneck %}
ActivationFunction=Rectifier
{% endif %}
ConfigSection=solver.cfg

{% if BLOCK == bottleneck %}
[{{SECTION_NAME}}_{{i}}_conv3]
Input=${PREV_SECTION_NAME}
Type=Conv
KernelSize=1
NbOutputs=$(4 * round({{FILTERS}} * ${WIDTH}))
WeightsFiller=HeFiller
ConfigSection=conv.cfg

[{{SECTION_NAME}}_{{i}}_conv3_bn]
Input=${PREV_SECTION_NAME}
Type=BatchNorm
NbOutputs=$(4 * round({{FILTERS}} * ${WIDTH}))
ConfigSection=solver.cfg
{% endif %}

{% set BRANCH %}{{SECTION_NAME}}_{{i}}_{% if BLOCK == basic %}conv2_bn{% else %}conv3_bn{% endif %}{% endset %}
{% set SKIP %}[{{SECTION_NAME}}_{{i}}_conv1]Input{% endset %}
{% if i == 0 %}
{% if PROJECTED == 1 %}
[{{SECTION_NAME}}_{{i}}_shortcut]
Input={{FROM}}
Type=Conv
KernelSize=1
Stride={{STRIDE}}
NbOutputs=$({% if BLOCK == bottleneck %}4 * {% endif %}round({{FILTERS}} * ${WIDTH}))
WeightsFiller=HeFiller
ConfigSection=conv.cfg

[{{SECTION_NAME}}_{{i}}_shortcut_bn]
Input=${PREV_SECTION_NAME}
Type=BatchNorm
NbOutputs=$({% if BLOCK == bottleneck %}4 * {% endif %}round({{FILTERS}} * ${WIDTH}))
ConfigSection=solver.cfg
{% set SKIP %}{{SECTION_NAME}}_{{i}}_shortcut_bn{% endset %}
{% endif %}
{% endif %}

[{{SECTION_NAME}}_{{i}}_sum]
Input={{BRANCH}},{{SKIP}}
Type=ElemWise
Operation=Sum
NbOutputs=$({% if BLOCK == bottleneck %}4 * {% endif %}round({{FILTERS}} * ${WIDTH}))
ActivationFunction=Rectifier
{% endfor %}
