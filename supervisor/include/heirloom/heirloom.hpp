#pragma once

// All of Heirloom. The headers can also be included one by one; this is the order to read them in.
#include <heirloom/agent.hpp>
#include <heirloom/application.hpp>  // whole programs
#include <heirloom/blocking.hpp>
#include <heirloom/child_spec.hpp>
#include <heirloom/errors.hpp>
#include <heirloom/ets.hpp>  // tables that outlive who filled them
#include <heirloom/exit_reason.hpp>
#include <heirloom/gen_event.hpp>
#include <heirloom/gen_server.hpp>  // servers, call, cast
#include <heirloom/gen_statem.hpp>  // state machines
#include <heirloom/log.hpp>
#include <heirloom/monitor.hpp>
#include <heirloom/names.hpp>
#include <heirloom/partition_supervisor.hpp>
#include <heirloom/process.hpp>  // spawn, exit, link, trap_exit
#include <heirloom/receive.hpp>
#include <heirloom/registry.hpp>
#include <heirloom/request.hpp>  // asking without waiting
#include <heirloom/runtime.hpp>  // a scheduler with its threads
#include <heirloom/send.hpp>
#include <heirloom/supervisor.hpp>  // what crashes is started again
#include <heirloom/supervisor_bridge.hpp>
#include <heirloom/sys.hpp>   // looking into running servers
#include <heirloom/task.hpp>  // async, await
#include <heirloom/timer.hpp>
#include <heirloom/via.hpp>  // names kept by registries
