"""The table of meanings (docs/meanings.md): which tests stand on each of its sections and lines.

A section without tests, a test that is gone, or a heading that is not listed here is a failure. Lines that cut across all
operations have their test here.
"""

from __future__ import annotations

import ast
import re
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import autodiff as ad
from autodiff import Tensor

HERE = Path(__file__).resolve().parent

STANDS_ON: dict[str, list[str]] = {
    "Names": [
        "test_operations.py::test_values_and_dtypes_are_those_of_numpy",
        "test_operations.py::test_every_way_to_an_operation_gives_the_same",
        "test_operations.py::test_every_numpy_function_with_a_derivative_is_reached_by_the_table",
        "test_house.py::test_no_public_function_has_the_name_of_a_file_of_its_package",
        "test_tensor.py::test_every_attribute_of_an_array_is_there_or_absent_for_a_reason",
        "nn/test_module.py::test_load_takes_a_state_dict_of_pytorch",
        "test_meanings.py::test_public_functions_return_tensors_whatever_they_were_given",
    ],
    "Dtypes": [
        "test_tensor.py::test_promotion_is_that_of_numpy_python_numbers_weak_everything_else_not",
        "test_tensor.py::test_defaults_and_zero_dimensional_tensors",
        "test_tensor.py::test_python_numbers_give_the_very_result_of_numpy",
        "test_tensor.py::test_gradients_have_the_dtype_of_their_argument",
        "test_tensor.py::test_every_floating_dtype_has_a_gradient_of_its_own_dtype",
        "test_errors.py::test_bad_input_is_answered_in_the_callers_words",
    ],
    "Kinks": [
        "test_kinks.py::test_gradient_at_a_kink",
        "test_kinks.py::test_the_table_tells_the_truth_about_pytorch",
        "test_kinks.py::test_second_derivative_where_the_first_was_chosen_to_be_zero",
        "test_docs.py::test_kinks_have_our_value",
    ],
    "Strong zeros": [
        "test_kinks.py::test_strong_zero",
        "test_kinks.py::test_strong_zero_does_not_break_the_second_derivative",
        "test_kinks.py::test_nan_in_the_data_is_never_hidden",
        "test_backward.py::test_strong_zeros_hold_to_every_order",
    ],
    "Tracked, untracked, zero": [
        "test_kinks.py::test_integers_and_booleans_are_untracked",
        "test_kinks.py::test_steps_are_tracked_with_zero_gradient",
        "test_kinks.py::test_sort_has_a_gradient",
        "test_tensor.py::test_comparisons_are_untracked_and_boolean",
        "test_tensor.py::test_methods_that_only_look_are_untracked",
        "test_backward.py::test_leaves_that_the_root_does_not_depend_on_keep_none",
        "test_meanings.py::test_a_transform_of_a_function_that_ignores_its_input_gives_zeros",
    ],
    "Leaving the graph is never silent": [
        "test_dispatch.py::test_a_tracked_tensor_does_not_become_an_array_in_silence",
        "test_dispatch.py::test_the_error_says_whom_and_how",
        "test_dispatch.py::test_the_open_ways_out_always_work",
        "test_dispatch.py::test_in_place_operators_of_arrays",
        "test_dispatch.py::test_what_has_no_derivative_raises_and_names_itself",
        "test_dispatch.py::test_ufuncs_of_other_libraries_are_refused_under_their_own_name",
        "test_dispatch.py::test_everything_runs_where_nothing_is_recorded",
        "test_tensor.py::test_float_of_a_tracked_tensor_warns_once_a_line_and_points_at_the_caller",
        "test_tensor.py::test_numpys_assignment_of_a_tracked_number_to_an_element_warns",
    ],
    "Copies, aliases, writes": [
        "test_writing.py::test_random_programs_of_writes_views_and_operations_agree_with_the_model",
        "test_writing.py::test_writing_a_result_leaves_alone_what_its_operation_saved",
        "test_writing.py::test_in_place_addition_leaves_alone_what_was_saved_of_a_clone",
        "test_writing.py::test_a_write_to_a_leaf_under_no_grad_is_in_place_and_an_older_graph_notices",
        "test_writing.py::test_writes_to_leaves_are_refused_while_recording",
        "test_writing.py::test_a_view_of_a_view_writes_its_base_and_both_have_the_gradient",
        "test_writing.py::test_a_recorded_write_through_a_view_of_another_kind_is_refused_and_changes_nothing",
        "test_writing.py::test_a_constant_that_shares_memory_with_a_living_tracked_tensor_is_not_written_while_recording",
        "test_writing.py::test_filling_and_reading_by_rows_is_linear_forward_and_backward",
        "test_aliases.py::test_the_array_of_a_tensor_is_read_only",
        "test_aliases.py::test_what_hooks_get_is_read_only_and_keeps_its_values",
        "test_aliases.py::test_a_write_through_the_library_is_seen_by_both_and_noticed_by_an_older_graph",
        "test_aliases.py::test_a_foreign_array_changed_by_the_user_is_reported_under_trace",
        "test_aliases.py::test_foreign_arrays_are_referenced_not_locked",
        "test_tensor.py::test_data_is_copied",
        "test_tensor.py::test_asarray_without_a_copy_shares_memory",
        "nn/test_optim.py::test_a_step_between_forward_and_backward_is_reported",
        "nn/test_module.py::test_load_between_forward_and_backward_is_reported",
    ],
    "The gradient of a leaf": [
        "test_aliases.py::test_a_gradient_has_writable_contiguous_memory_of_its_own",
        "test_tensor.py::test_the_gradient_can_be_set_and_is_the_tensors_own",
        "test_backward.py::test_a_second_pass_adds_to_grad_and_keeps_the_tensor",
        "test_backward.py::test_grad_of_a_recorded_pass_is_tracked_and_differentiable",
        "test_hooks.py::test_runs_once_on_the_accumulated_gradient",
        "test_hooks.py::test_runs_before_retain_grad_stores",
    ],
    "Transforms inside transforms": ["test_meanings.py::test_inner_and_outer_variables_are_not_confused"],
    "Complex numbers": [
        "test_complex.py::test_as_pytorch",
        "test_meanings.py::test_the_gradient_by_a_complex_number_points_uphill",
    ],
    "Backward twice": [
        "test_backward.py::test_a_second_pass_names_the_first_freed_operation_and_the_usual_cause",
        "test_backward.py::test_retain_graph_allows_another_pass",
        "test_backward.py::test_retain_graph_none_follows_create_graph",
    ],
    "Recording, threads, tasks": ["test_modes.py"],
    "nn": [
        "nn/test_module.py::test_a_float32_model_stays_float32_whatever_the_input",
        "nn/test_linear.py::test_a_layer_computes_in_the_dtype_of_its_parameters",
        "nn/test_linear.py::test_the_seed_decides_the_initial_values",
        "nn/test_data.py::test_shuffling_is_a_new_permutation_in_each_epoch_that_the_generator_decides",
        "nn/test_loss.py::test_mse_refuses",
        "nn/test_loss.py::test_mse_casts_the_target_to_the_prediction",
        "nn/test_loss.py::test_class_weights_have_a_gradient_too",
    ],
    "Decided, not built yet": [],
}


@cache
def names_in(file: str) -> set[str]:
    tree = ast.parse((HERE / file).read_text(encoding="utf-8"))
    return {node.name for node in ast.walk(tree) if isinstance(node, ast.FunctionDef) and node.name.startswith("test_")}


def test_every_section_of_the_table_is_listed() -> None:
    page = (HERE.parent / "docs" / "meanings.md").read_text(encoding="utf-8")
    assert re.findall(r"^## (.+)$", page, flags=re.MULTILINE) == list(STANDS_ON)


@pytest.mark.parametrize("section", [name for name in STANDS_ON if name != "Decided, not built yet"])
def test_tests_stand_on_every_section(section: str) -> None:
    assert STANDS_ON[section]
    for name in STANDS_ON[section]:
        file, _, test = name.partition("::")
        assert names_in(file), name
        assert not test or test in names_in(file), name


# ------------------------------------------------------------------------------------------------ lines that have no other place


def test_public_functions_return_tensors_whatever_they_were_given() -> None:
    array = np.array([[0.5, 1.5], [2.5, 3.5]])
    calls: list[Any] = [
        ad.exp(array), ad.add(array, 1), ad.add(1, 2.5), ad.sum(array), ad.sum([1, 2]), ad.matmul(array, array),
        ad.reshape(array, 4), ad.where(array > 1, array, 0), ad.concatenate([array, array]), ad.stack([[1], [2]]),
        ad.argmax(array), ad.any(array), ad.sort([2, 1]), ad.clip(array, 0, 1), ad.power(2, 3), ad.norm(array),
        ad.einsum("ij->j", array), ad.getitem(array, 0), ad.logsumexp(array), *ad.split(array, 2),
    ]  # fmt: skip
    assert [type(result) for result in calls] == [Tensor] * len(calls)


def test_a_transform_of_a_function_that_ignores_its_input_gives_zeros() -> None:
    value, gradient = ad.value_and_grad(lambda x: 3.0)(np.ones((2, 1)))
    assert value == 3.0
    assert gradient.tolist() == [[0.0], [0.0]]
    x, y = Tensor([1.0], requires_grad=True), Tensor([1.0], requires_grad=True)
    y.sum().backward()
    assert x.grad is None


def test_inner_and_outer_variables_are_not_confused() -> None:
    assert ad.grad(lambda x: ad.grad(lambda y: x * y * y)(2.0))(3.0) == 4.0
    assert ad.grad(lambda x: x * ad.grad(lambda y: x + y)(2.0))(3.0) == 1.0


def test_the_gradient_by_a_complex_number_points_uphill() -> None:
    z = Tensor([1 + 2j, -3j], requires_grad=True)
    (np.abs(z) ** 2).sum().backward()
    assert z.grad is not None
    np.testing.assert_allclose(z.grad.numpy(), [2 + 4j, -6j])
