#pragma once

#include <heirloom/ets/errors.hpp>
#include <heirloom/ets/hash.hpp>
#include <heirloom/ets/options.hpp>
#include <heirloom/ets/table.hpp>
#include <heirloom/ets/transfer.hpp>
