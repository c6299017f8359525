# SPDX-License-Identifier: MIT
# Programs for the kernel: collectors/bpf/NAME.bpf.c becomes NAME.skel.h, which collectors/bpf_*.c include.
find_program(CLANG_BPF NAMES clang clang-14 clang-15 clang-16 REQUIRED)
find_program(BPFTOOL NAMES bpftool PATHS /usr/sbin /sbin REQUIRED)
pkg_check_modules(LIBBPF REQUIRED IMPORTED_TARGET libbpf>=1.1)

set(BPF_DIR ${CMAKE_BINARY_DIR}/bpf)
# Type headers of the libc's architecture: the target "bpf" has none of its own.
set(bpf_flags -g -O2 -target bpf -mcpu=v3 -std=gnu17 -Wall -Wextra -Werror -Wno-unused-parameter
	-Wno-missing-field-initializers -I${CMAKE_SOURCE_DIR} -idirafter
	/usr/include/${CMAKE_C_LIBRARY_ARCHITECTURE})
file(GLOB bpf_sources CONFIGURE_DEPENDS ${CMAKE_SOURCE_DIR}/collectors/bpf/*.bpf.c)
file(GLOB bpf_headers CONFIGURE_DEPENDS ${CMAKE_SOURCE_DIR}/collectors/bpf/*.h)
# bpf_skeleton(SOURCE OUT_VARIABLE): appends the skeleton of that program to the variable.
function(bpf_skeleton source variable)
	get_filename_component(name ${source} NAME_WE)
	set(object ${BPF_DIR}/${name}.bpf.o)
	set(skeleton ${BPF_DIR}/${name}.skel.h)
	add_custom_command(OUTPUT ${object}
		COMMAND ${CMAKE_COMMAND} -E make_directory ${BPF_DIR}
		COMMAND ${CLANG_BPF} ${bpf_flags} -c ${source} -o ${object}
		DEPENDS ${source} ${bpf_headers} ${CMAKE_SOURCE_DIR}/core/metrics.def VERBATIM)
	add_custom_command(OUTPUT ${skeleton}
		COMMAND ${BPFTOOL} gen skeleton ${object} name ${name}_bpf > ${skeleton}
		DEPENDS ${object} VERBATIM)
	set(${variable} ${${variable}} ${skeleton} PARENT_SCOPE)
endfunction()

foreach(source ${bpf_sources})
	bpf_skeleton(${source} bpf_skeletons)
endforeach()
add_custom_target(bpf_skeletons DEPENDS ${bpf_skeletons})
