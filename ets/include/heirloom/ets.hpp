#pragma once

#include <heirloom/ets/bag.hpp>
#include <heirloom/ets/errors.hpp>
#include <heirloom/ets/file.hpp>
#include <heirloom/ets/fixation.hpp>
#include <heirloom/ets/hash.hpp>
#include <heirloom/ets/options.hpp>
#include <heirloom/ets/ordered_table.hpp>
#include <heirloom/ets/table.hpp>
#include <heirloom/ets/transfer.hpp>
#include <heirloom/process.hpp>
