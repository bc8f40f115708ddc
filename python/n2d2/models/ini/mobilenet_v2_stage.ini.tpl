; A stage of MobileNet v2: COUNT inverted residuals. FROM is its input, STRIDE that of the first; each widens what it
; reads EXPANSION times; all but the first are added to what they read.
{% for i in range(COUNT) %}
{% set BLOCK %}{{SECTION_NAME}}_{{i}}{% endset %}
{% set BEFORE %}{% if i == 0 %}{{FROM}}{% else %}${PREV_SECTION_NAME}{% endif %}{% endset %}
{% if i == 0 %}
{% set INPUTS %}[{{FROM}}]NbOutputs{% endset %}
{% else %}
{% set INPUTS %}$(max(8, int({{FILTERS}} * ${WIDTH} + 4) // 8 * 8)){% endset %}
{% endif %}
{% if EXPANSION != 1 %}
[{{BLOCK}}_expand]
Input={{BEFORE}}
Type=Conv
KernelSize=1
NbOutputs=$({{EXPANSION}} * {% if i == 0 %}[{{FROM}}]NbOutputs {% else %}$(max(8, int({{FILTERS}} * ${WIDTH} + 4) // 8 * 8)){% endif %})
WeightsFiller=HeFiller
ConfigSection=conv.cfg

[{{BLOCK}}_expand_bn]
Input=${PREV_SECTION_NAME}
Type=BatchNorm
NbOutputs=[{{BLOCK}}_expand]NbOutputs
ActivationFunction=Rectifier
ActivationFunction.Clipping=6
ConfigSection=solver.cfg
{% set BEFORE %}${PREV_SECTION_NAME}{% endset %}
{% set INPUTS %}[{{BLOCK}}_expand]NbOutputs{% endset %}
{% endif %}

[{{BLOCK}}_dw]
Input={{BEFORE}}
Type=Conv
KernelSize=3
Padding=1
{% if i == 0 %}
Stride={{STRIDE}}
{% endif %}
NbOutputs={{INPUTS}}
Mapping.ChannelsPerGroup=1
WeightsFiller=HeFiller
ConfigSection=conv.cfg

[{{BLOCK}}_dw_bn]
Input=${PREV_SECTION_NAME}
Type=BatchNorm
NbOutputs=[{{BLOCK}}_dw]NbOutputs
ActivationFunction=Rectifier
ActivationFunction.Clipping=6
ConfigSection=solver.cfg

[{{BLOCK}}_project]
Input=${PREV_SECTION_NAME}
Type=Conv
KernelSize=1
NbOutputs=$(max(8, int({{FILTERS}} * ${WIDTH} + 4) // 8 * 8))
WeightsFiller=HeFiller
ConfigSection=conv.cfg

[{{BLOCK}}_project_bn]
Input=${PREV_SECTION_NAME}
Type=BatchNorm
NbOutputs=$(max(8, int({{FILTERS}} * ${WIDTH} + 4) // 8 * 8))
ConfigSection=solver.cfg

{% if i != 0 %}
[{{BLOCK}}_sum]
Input={{BLOCK}}_project_bn,[{{BLOCK}}_expand]Input
Type=ElemWise
Operation=Sum
NbOutputs=$(max(8, int({{FILTERS}} * ${WIDTH} + 4) // 8 * 8))
{% endif %}
{% endfor %}
