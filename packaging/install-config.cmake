# SPDX-License-Identifier: MIT
# Run while installing (see CMakeLists.txt): configuration, examples and the unit.
cmake_policy(VERSION 3.25)

# The programs look into /etc; an installation elsewhere is for trying out, and keeps to itself.
if(CMAKE_INSTALL_PREFIX MATCHES "^/usr(/local)?$")
	set(config_dir /etc/cgwatch)
else()
	set(config_dir ${CMAKE_INSTALL_PREFIX}/etc/cgwatch)
endif()
if(CMAKE_INSTALL_PREFIX STREQUAL "/usr" AND systemd_unit_dir)
	set(unit_dir ${systemd_unit_dir})
else()
	set(unit_dir ${CMAKE_INSTALL_PREFIX}/lib/systemd/system)
endif()

# What an administrator has written stays.
if(EXISTS "$ENV{DESTDIR}${config_dir}/cgwatch.ini")
	message(STATUS "Kept: $ENV{DESTDIR}${config_dir}/cgwatch.ini")
else()
	file(INSTALL DESTINATION ${config_dir} TYPE FILE FILES ${source_dir}/cgwatch.ini)
endif()
file(GLOB policy_files ${source_dir}/policies.d/README ${source_dir}/policies.d/*.ini.example)
file(INSTALL DESTINATION ${config_dir}/policies.d TYPE FILE FILES ${policy_files})

# The unit is written for /usr; elsewhere its programs have other paths.
file(READ ${source_dir}/systemd/cgwatchd.service unit)
string(REPLACE "/usr/sbin/cgwatchd" "${CMAKE_INSTALL_PREFIX}/${sbindir}/cgwatchd" unit "${unit}")
string(REPLACE "/usr/bin/cgwatch" "${CMAKE_INSTALL_PREFIX}/${bindir}/cgwatch" unit "${unit}")
file(WRITE ${binary_dir}/cgwatchd.service "${unit}")
file(INSTALL DESTINATION ${unit_dir} TYPE FILE FILES ${binary_dir}/cgwatchd.service)
