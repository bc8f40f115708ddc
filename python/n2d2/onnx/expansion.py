"""Operators that ONNX defines by simpler ones: their nodes take the place of one that nothing reads by itself."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Sequence

    import onnx

    from n2d2.onnx.node import Value


def expanded(node: onnx.NodeProto, opset: int, values: Sequence[Value | None]) -> list[onnx.NodeProto]:
    """The nodes that a node stands for, with names that nothing else has; none if ONNX does not say.

    Arguments:
        node (onnx.NodeProto): The node.
        opset (int): Version of the operators.
        values (list): What it reads, for its types.
    """
    import onnx

    body = _body(node, opset, values)
    if body is None or any(a.HasField("g") for inner in body.node for a in inner.attribute):
        return []
    prefix = f"{next(filter(None, node.output), node.name)}/"
    names = dict(zip(body.input, node.input, strict=False)) | dict(zip(body.output, node.output, strict=False))
    # Inputs that are left out have no name inside either.
    names |= {name: "" for name in body.input if name not in names}
    schema = onnx.defs.get_schema(node.op_type, opset, node.domain)
    given = {n: a.default_value for n, a in schema.attributes.items() if a.default_value.type}
    given |= {a.name: a for a in body.attribute_proto} | {a.name: a for a in node.attribute}
    made = []
    for inner in body.node:
        copy = onnx.NodeProto(op_type=inner.op_type, domain=inner.domain)
        copy.input.extend(names.get(n, prefix + n) if n else "" for n in inner.input)
        copy.output.extend((names.get(n) or prefix + n) if n else "" for n in inner.output)
        copy.name = f"{node.name or prefix[:-1]} ({node.op_type})"
        for attribute in inner.attribute:
            if not attribute.ref_attr_name:
                copy.attribute.append(attribute)
            elif attribute.ref_attr_name in given:
                found = copy.attribute.add()
                found.CopyFrom(given[attribute.ref_attr_name])
                found.name = attribute.name
        made.append(copy)
    return made


def _body(node: onnx.NodeProto, opset: int, values: Sequence[Value | None]) -> onnx.FunctionProto | None:
    import onnx

    try:
        schema: Any = onnx.defs.get_schema(node.op_type, opset, node.domain)
        if schema.has_function:
            own = [v for v in schema.function_opset_versions if v <= opset]
            return onnx.FunctionProto.FromString(schema.get_function_with_opset_version(max(own))) if own else None
        if not schema.has_context_dependent_function:
            return None
        versions = [v for v in schema.context_dependent_function_opset_versions if v <= opset]
        if not versions:
            return None
        types = [
            onnx.helper.make_tensor_type_proto(
                onnx.helper.np_dtype_to_tensor_dtype(v.dtype), v.shape
            ).SerializeToString()
            if v is not None
            else b""
            for v in values
        ]
        content = schema.get_context_dependent_function_with_opset_version(
            max(versions), node.SerializeToString(), types
        )
        expanded_node: onnx.FunctionProto = onnx.FunctionProto.FromString(content)
    except (onnx.defs.SchemaError, RuntimeError, ValueError, KeyError):
        return None
    return expanded_node
