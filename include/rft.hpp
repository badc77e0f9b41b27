/// @file rft.hpp
/// @brief rft for C++17: objects that free themselves, results that must be looked at, lambdas for callbacks.
///
/// Header only, over rft.h, which is the manual: what a call means, which thread a callback has and which
/// status it gives stands there. Here is what C++ adds.
///
/// - A Config, Engine, Node or Store can be moved and not copied, and frees its handle. c_handle() lends it.
/// - A call that can fail gives a Status or a Result<T>. Nothing throws but Result::value() of a failure: an
///   rft::Error, with all that the status tells. Without exceptions that aborts. It builds with
///   -fno-exceptions -fno-rtti.
/// - A Bytes or a Span is a view: it owns nothing. What a callback or a Ready gives is valid as long as rft.h
/// says; the
///   answer in an Outcome is owned.
/// - A callback that throws is contained: `apply` and `restore` stop the engine with Code::host, `save` gives
/// no
///   snapshot, and what another one threw is dropped. `log` gets a line with what() in each case.
///
/// @code
///   rft::Config config(1, {1, 2, 3});
///   rft::Host host;
///   host.send = [&](rft::Span<rft::Message> messages) { ... };
///   host.apply = [&](rft::Span<rft::Entry> entries) { for (rft::Entry entry : entries) ...; };
///   host.save = [&](rft::SnapshotWriter to) { return to.write(state).code(); };
///   host.restore = [&](rft::SnapshotReader from) { ... };
///   rft::Result<rft::Engine> engine = rft::Engine::open(config, "data", std::move(host));
///   rft::Result<rft::Outcome> outcome = engine->call("set x 1", std::chrono::seconds(1));
/// @endcode
#ifndef RFT_HPP
#define RFT_HPP

#include <rft/code.hpp>
#include <rft/config.hpp>
#include <rft/data.hpp>
#include <rft/engine.hpp>
#include <rft/host.hpp>
#include <rft/node.hpp>
#include <rft/snapshot.hpp>
#include <rft/status.hpp>
#include <rft/view.hpp>

#endif // RFT_HPP
