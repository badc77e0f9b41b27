// What the tests share: checks that end the program, a network inside of it, and a state machine.
#ifndef CHECK_HPP
#define CHECK_HPP

#include <rft.hpp>

#include <algorithm>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <map>
#include <mutex>
#include <string>
#include <thread>
#include <vector>

#define CHECK(condition)                                                                                     \
    do {                                                                                                     \
        if (!(condition)) {                                                                                  \
            std::fprintf(stderr, "%s:%d: not so: %s\n", __FILE__, __LINE__, #condition);                     \
            std::abort();                                                                                    \
        }                                                                                                    \
    } while (false)

// Whether a status or a result is what was wanted; tells it when not.
template <class T> void gives(rft::Code want, const T &got, const char *file, int line) {
    if (got.code() != want) {
        std::fprintf(stderr, "%s:%d: %s, wanted %s\n", file, line, rft::name(got.code()), rft::name(want));
        std::abort();
    }
}
#define GIVES(want, got) gives(rft::Code::want, got, __FILE__, __LINE__)
#define OK(got) GIVES(ok, got)

constexpr std::chrono::seconds patience(60);

// Waits until a condition holds.
template <class F> void until(const char *what, F &&holds) {
    const auto deadline = std::chrono::steady_clock::now() + patience;
    while (!holds()) {
        if (std::chrono::steady_clock::now() > deadline) {
            std::fprintf(stderr, "waited for: %s\n", what);
            std::abort();
        }
        std::this_thread::sleep_for(std::chrono::milliseconds(1));
    }
}

// A network inside of the process.
class Hub {
  public:
    void attach(std::uint64_t id, rft::Engine *engine) {
        const std::lock_guard<std::mutex> guard(lock_);
        engines_[id] = engine;
    }
    void send(rft::Span<rft::Message> messages) {
        const std::lock_guard<std::mutex> guard(lock_);
        for (const rft::Message message : messages) {
            const auto to = engines_.find(message.to());
            if (to != engines_.end() && to->second != nullptr) {
                (void)to->second->step(message.data()); // one that is not taken is lost
            }
        }
    }

  private:
    std::mutex lock_;
    std::map<std::uint64_t, rft::Engine *> engines_;
};

// A state machine that keeps commands, and answers with how many it has.
class List {
  public:
    void apply(rft::Span<rft::Entry> entries) {
        const std::lock_guard<std::mutex> guard(lock_);
        for (const rft::Entry entry : entries) {
            if (entry.type() == rft::EntryType::normal) {
                commands_.emplace_back(entry.data().text());
                OK(entry.answer(std::to_string(commands_.size())));
            }
        }
    }
    rft::Code save(rft::SnapshotWriter to) {
        const std::lock_guard<std::mutex> guard(lock_);
        for (const std::string &command : commands_) {
            const rft::Status status = to.write(command + '\n');
            if (!status.ok()) {
                return status.code();
            }
        }
        return rft::Code::ok;
    }
    rft::Code restore(rft::SnapshotReader from) {
        rft::Result<std::vector<std::uint8_t>> all = from.read_all();
        if (!all.ok()) {
            return all.code();
        }
        CHECK(all->size() == from.size());
        const std::lock_guard<std::mutex> guard(lock_);
        commands_.assign(1, "");
        for (const std::uint8_t byte : *all) {
            if (byte == '\n') {
                commands_.emplace_back();
            } else {
                commands_.back() += static_cast<char>(byte);
            }
        }
        commands_.pop_back();
        return rft::Code::ok;
    }
    std::vector<std::string> holds() {
        const std::lock_guard<std::mutex> guard(lock_);
        return commands_;
    }
    // A host whose callbacks are this one's.
    rft::Host host(Hub *hub) {
        rft::Host host;
        if (hub != nullptr) {
            host.send = [hub](rft::Span<rft::Message> messages) { hub->send(messages); };
        }
        host.apply = [this](rft::Span<rft::Entry> entries) { apply(entries); };
        host.save = [this](rft::SnapshotWriter to) { return save(to); };
        host.restore = [this](rft::SnapshotReader from) { return restore(from); };
        return host;
    }

  private:
    std::mutex lock_;
    std::vector<std::string> commands_;
};

// The lines of a log.
class Lines {
  public:
    void put(std::string_view line) {
        const std::lock_guard<std::mutex> guard(lock_);
        lines_.emplace_back(line);
    }
    bool has(const std::string &line) {
        const std::lock_guard<std::mutex> guard(lock_);
        return std::find(lines_.begin(), lines_.end(), line) != lines_.end();
    }

  private:
    std::mutex lock_;
    std::vector<std::string> lines_;
};

#endif
