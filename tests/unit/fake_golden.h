/* SPDX-License-Identifier: MIT */
#pragma once

/* The text is that of tests/golden/NAME, byte by byte. UPDATE_GOLDEN=1 writes the file anew. */
void golden_compare(const char *name, const char *text);
