"""The names that every file of routes imports."""

from admin.http.bodies import Int32
from admin.http.listing import ROWS_MAX, AllInOne, Next, Paging
from admin.http.openapi import describes, new_blueprint
from admin.http.problems import InputError, Problem, add_to_problem, invalid, must_exist, not_found, pointer
from admin.http.records import convert, convert_all, convert_page

__all__ = [
    "ROWS_MAX",
    "AllInOne",
    "InputError",
    "Int32",
    "Next",
    "Paging",
    "Problem",
    "add_to_problem",
    "convert",
    "convert_all",
    "convert_page",
    "describes",
    "invalid",
    "must_exist",
    "new_blueprint",
    "not_found",
    "pointer",
]
