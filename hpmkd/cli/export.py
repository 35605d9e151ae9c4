"""`export`: converts a model to safetensors, torch.export (.pt2) or onnx."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict

from hpmkd.cli.parser import Arguments
from hpmkd.config.paths import user_path
from hpmkd.errors import EXIT_OK
from hpmkd.log import step_lines, steps
from hpmkd.store.named_file import need_network_file

FORMATS = ("safetensors", "pt2", "torchscript", "onnx")
_EXAMPLES = """  hpmkd export results/quick/models/student_Digits_AT_run1.pt --to onnx
  hpmkd export results/quick/models/student_Digits_AT_run1.pt --to pt2      torch.export.load(PATH).module()
  hpmkd export results/quick/models/teacher_Digits.pt --to safetensors -o teacher.safetensors"""
_DESCRIPTION = """Writes a verified model as safetensors (weights), pt2 (a program of torch.export) or onnx (with the
network, any batch size), after checking that the export gives the same logits. None of them needs hpmkd to be read.
The input is normalised images (N, C, H, W), the output is logits. torchscript is deprecated, as in torch: it goes with
hpmkd 0.3. Exit code 3: a library is missing; the error says which."""


def build_parser(prog: str) -> Arguments:
    """The flags of the command."""
    parser = Arguments(prog, _DESCRIPTION, _EXAMPLES)
    parser.add_argument("file", metavar="FILE", help="a model file of a sweep")
    parser.add_argument("--to", required=True, choices=FORMATS, help="the format")
    parser.add_argument("-o", "--output", metavar="PATH", help="default: the model's name, in exports/ next to models/")
    parser.add_argument("-q", "--quiet", action="store_true", help="do not say what is being done")
    parser.add_argument("--json", action="store_true", help="print what was written as JSON")
    return parser


def export(argv: Sequence[str], prog: str) -> int:
    """Runs the command; returns the exit code."""
    given = build_parser(prog).parse_args(list(argv))
    target = user_path(given.output, "--output") if given.output is not None else None
    path = user_path(given.file, "FILE")
    need_network_file(path)  # before torch is imported
    with step_lines(not given.quiet):
        steps.info(f"exporting {given.file} to {given.to}")
        from hpmkd.store.export import export as write  # torch takes seconds: --help and wrong flags need not wait

        done = write(path, given.to, target)
    if given.json:
        print(json.dumps({**asdict(done), "path": str(done.path)}, indent=1))
    else:
        shape = "x".join(map(str, done.input_shape))
        print(
            f"{done.path}: {done.size:,} bytes, input N x {shape}, logits differ by at most {done.max_difference:.2g}"
        )
    return EXIT_OK
