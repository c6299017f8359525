# SPDX-License-Identifier: MIT
# Tests on the real kernel: they run one at a time, as root, and clean up after themselves.
set(live_environment "CGWATCH=$<TARGET_FILE:cgwatch>" "CGWATCHD=$<TARGET_FILE:cgwatchd>" LC_ALL=C.UTF-8)
add_library(live_helpers STATIC live/live.c live/live_ns.c live/live_json.c live/layer_scene.c
	live/live_scrape.c live/command.c live/look.c live/latency_bench.c)
target_include_directories(live_helpers PUBLIC live)
target_link_libraries(live_helpers PUBLIC cgw_collectors PkgConfig::CMOCKA PkgConfig::JANSSON)
target_compile_options(live_helpers PUBLIC $<$<C_COMPILER_ID:GNU>:-Wno-format-truncation>)

# The program live/NAME.c: run here, and in the emulated machine (vm/v2.sh) unless it cannot:
# NOT_IN_VM says why.
function(live_program name)
	cmake_parse_arguments(PARSE_ARGV 1 arg "" NOT_IN_VM "")
	add_executable(${name} live/${name}.c)
	set_target_properties(${name} PROPERTIES RUNTIME_OUTPUT_DIRECTORY ${CMAKE_BINARY_DIR})
	target_link_libraries(${name} PRIVATE live_helpers)
	add_test(NAME live.${name} COMMAND ${name})
	set_tests_properties(live.${name} PROPERTIES TIMEOUT 1800 RUN_SERIAL ON LABELS live
		SKIP_RETURN_CODE 77 ENVIRONMENT "${live_environment}")
	if(arg_NOT_IN_VM)
		set(vm_programs ${vm_programs} --not "${name}: ${arg_NOT_IN_VM}" PARENT_SCOPE)
	else()
		set(vm_programs ${vm_programs} ${name} PARENT_SCOPE)
	endif()
endfunction()

# One line a program.
live_program(live_actions)
live_program(live_bpf_events)
live_program(live_bpf_latency)
live_program(live_bpf_churn)
live_program(live_bpf_growth)
live_program(live_bpf_memory)
live_program(live_bpf_parity)
live_program(live_bpf_tasks)
live_program(live_deep)
live_program(live_guards)
live_program(live_events)
live_program(live_inventory)
live_program(live_join)
live_program(live_knobs)
live_program(live_knobs_memory)
target_link_libraries(live_knobs PRIVATE cgw_policies)
target_link_libraries(live_knobs_memory PRIVATE cgw_policies)
live_program(live_kills)
live_program(live_layers)
live_program(live_layers_diff)
live_program(live_layers_watch)
live_program(live_namespaces)
live_program(live_namespaces_change)
live_program(live_namespaces_held)
live_program(live_numbers)
live_program(live_overlays)
live_program(live_overlay_spaces)
live_program(live_policy)
live_program(live_policy_events)
live_program(live_policy_verbs)
live_program(live_run)
live_program(live_run_join)
live_program(live_run_job)
live_program(live_tree)
live_program(live_verbs)

target_link_libraries(live_guards PRIVATE cgw_policies)
if(CGWATCH_BPF)
	live_program(live_bpf_latency_io)
	live_program(live_bpf_load)
	live_program(live_bpf_rights)
	target_link_libraries(live_bpf_rights PRIVATE cgw_agent)
	add_executable(deny_bpf live/deny_bpf.c)
	set_target_properties(deny_bpf PROPERTIES RUNTIME_OUTPUT_DIRECTORY ${CMAKE_BINARY_DIR})
	add_test(NAME live.bpf_fallback
		COMMAND ${CMAKE_CURRENT_SOURCE_DIR}/live/bpf_fallback.sh ${CMAKE_BINARY_DIR})
	set_tests_properties(live.bpf_fallback PROPERTIES TIMEOUT 1800 RUN_SERIAL ON SKIP_RETURN_CODE 77
		LABELS live ENVIRONMENT "${live_environment}")
	# Programs that no kernel takes.
	bpf_skeleton(${CMAKE_CURRENT_SOURCE_DIR}/bpf/refused.bpf.c test_skeletons)
	target_sources(live_bpf_load PRIVATE ${test_skeletons})
	target_include_directories(live_bpf_load SYSTEM PRIVATE ${BPF_DIR})
endif()

# The scanner of namespaces on the kernel's records of tasks: the same programs once more.
if(CGWATCH_BPF)
	foreach(name live_namespaces live_namespaces_change live_namespaces_held)
		add_test(NAME live.${name}_records COMMAND ${name})
		set_tests_properties(live.${name}_records PROPERTIES TIMEOUT 1800 RUN_SERIAL ON LABELS live
			SKIP_RETURN_CODE 77 ENVIRONMENT "${live_environment};LIVE_RECORDS=1")
	endforeach()
endif()

# What the scanner of container runtimes sees, as lines for shell tests.
add_executable(runtime_dump live/runtime_dump.c)
set_target_properties(runtime_dump PROPERTIES RUNTIME_OUTPUT_DIRECTORY ${CMAKE_BINARY_DIR})
target_link_libraries(runtime_dump PRIVATE cgw_collectors)
add_test(NAME live.docker_join
	COMMAND ${CMAKE_CURRENT_SOURCE_DIR}/live/docker_join.sh ${CMAKE_BINARY_DIR})
add_test(NAME live.containerd_join
	COMMAND ${CMAKE_CURRENT_SOURCE_DIR}/live/containerd_join.sh ${CMAKE_BINARY_DIR})
add_test(NAME live.join
	COMMAND ${CMAKE_CURRENT_SOURCE_DIR}/live/join.sh ${CMAKE_BINARY_DIR})
set_tests_properties(live.docker_join live.containerd_join live.join PROPERTIES
	TIMEOUT 1800 RUN_SERIAL ON SKIP_RETURN_CODE 77 LABELS live ENVIRONMENT "${live_environment}")

# Pure cgroup v2 on another kernel: the same programs inside an emulated machine.
set(VM_CACHE ${CMAKE_BINARY_DIR}/vm-cache CACHE PATH "Kernel packages and images for the VM tests")
add_test(NAME vm.v2 COMMAND ${CMAKE_CURRENT_SOURCE_DIR}/vm/v2.sh ${CMAKE_BINARY_DIR} ${VM_CACHE}
	${vm_programs})
add_test(NAME live.docker COMMAND ${CMAKE_CURRENT_SOURCE_DIR}/live/docker.sh ${CMAKE_BINARY_DIR})
add_test(NAME live.docker_events
	COMMAND ${CMAKE_CURRENT_SOURCE_DIR}/live/docker_events.sh ${CMAKE_BINARY_DIR})
add_test(NAME live.terminal COMMAND ${CMAKE_CURRENT_SOURCE_DIR}/live/terminal.sh ${CMAKE_BINARY_DIR})
add_test(NAME live.bad_input COMMAND ${CMAKE_CURRENT_SOURCE_DIR}/live/bad_input.sh ${CMAKE_BINARY_DIR})
if(CGWATCH_EXPORTER)
	add_test(NAME live.prometheus
		COMMAND ${CMAKE_CURRENT_SOURCE_DIR}/live/prometheus.sh ${CMAKE_BINARY_DIR})
	set_tests_properties(live.prometheus PROPERTIES TIMEOUT 1800)
endif()
set_tests_properties(live.docker live.docker_events live.terminal live.bad_input PROPERTIES TIMEOUT 1800
	RUN_SERIAL ON SKIP_RETURN_CODE 77 LABELS live ENVIRONMENT "${live_environment}")
# Longer than the time that v2.sh gives the machine.
set_tests_properties(vm.v2 PROPERTIES TIMEOUT 6000 RUN_SERIAL ON SKIP_RETURN_CODE 77 LABELS live
	ENVIRONMENT "${live_environment}")
if(CGWATCH_EXPORTER)
	set_tests_properties(live.prometheus PROPERTIES RUN_SERIAL ON SKIP_RETURN_CODE 77 LABELS live
		ENVIRONMENT "${live_environment}")
endif()

# Units changed through the bus by the packaged service, in a machine with systemd. The other parts, with which it
# takes twice as long, are run by hand. Three tries of 15 minutes, if the emulation stands still, and the image by
# debootstrap the first time.
add_test(NAME vm.systemd
	COMMAND ${CMAKE_CURRENT_SOURCE_DIR}/vm/systemd.sh ${CMAKE_BINARY_DIR} ${VM_CACHE} bpf units)
set_tests_properties(vm.systemd PROPERTIES TIMEOUT 3600 RUN_SERIAL ON SKIP_RETURN_CODE 77 LABELS live)
