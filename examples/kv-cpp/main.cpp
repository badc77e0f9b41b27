// kv-cpp: one node of a replicated key-value service. ../README.md tells what it answers over HTTP.
#include "log.hpp"
#include "node.hpp"
#include "server.hpp"

#include <csignal>
#include <cstdlib>
#include <exception>
#include <string>

using namespace kv;

/// Blocks SIGINT and SIGTERM before any thread begins, so that all inherit it and only main sees them.
static sigset_t block_signals() {
    sigset_t signals;
    sigemptyset(&signals);
    sigaddset(&signals, SIGINT);
    sigaddset(&signals, SIGTERM);
    pthread_sigmask(SIG_BLOCK, &signals, nullptr);
    std::signal(SIGPIPE, SIG_IGN);
    return signals;
}

/// Serves until a signal asks to stop.
static bool serve(Node &node, const sigset_t &signals) {
    const std::string &address = node.options.cluster.at(node.options.id);
    Server server(node);
    if (!server.start(address)) {
        log(rft::LogLevel::error, "cannot listen on " + address);
        node.stop();
        return false;
    }
    log(rft::LogLevel::info, "node " + std::to_string(node.options.id) + " answers on " +
                                 node.options.tls.scheme() + "://" + address);
    int number = 0;
    sigwait(&signals, &number);
    log(rft::LogLevel::info, "stopping");
    // The engine first: it answers the requests that wait, and the server's threads can end.
    node.stop();
    server.end();
    return true;
}

int main(int argc, char **argv) try {
    const std::optional<Options> options = Options::parse(argc, argv);
    if (!options) {
        return 2;
    }
    log_level = options->verbose ? rft::LogLevel::debug : rft::LogLevel::info;
    const sigset_t signals = block_signals();
    Node node(*options);
    return node.open() && serve(node, signals) ? EXIT_SUCCESS : EXIT_FAILURE;
} catch (const std::exception &error) {
    kv::log(rft::LogLevel::error, error.what());
    return EXIT_FAILURE;
}
