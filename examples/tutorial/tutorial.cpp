// A shopping list on three nodes, all in one process. The argument is a directory.
#include <rft.hpp>

#include <array>
#include <iostream>
#include <memory>
#include <mutex>
#include <thread>

using namespace std::chrono_literals;

// ANCHOR: machine
// The state machine: a text, to which every command adds a word.
class List {
  public:
    void apply(rft::Span<rft::Entry> entries) {
        const std::lock_guard<std::mutex> guard(lock_); // callbacks come on the engine's threads
        for (const rft::Entry entry : entries) {
            if (entry.type() == rft::EntryType::normal) {
                text_ += " " + std::string(entry.data().text());
                items_++;
                (void)entry.answer(std::to_string(items_));
            }
        }
    }

    std::string text() {
        const std::lock_guard<std::mutex> guard(lock_);
        return text_;
    }
    // ANCHOR_END: machine

    // ANCHOR: snapshot
    // A snapshot is the number of items, and the text.
    rft::Code save(rft::SnapshotWriter to) {
        const std::lock_guard<std::mutex> guard(lock_);
        return to.write(std::to_string(items_) + "\n" + text_).code();
    }

    rft::Code restore(rft::SnapshotReader from) {
        rft::Result<std::vector<std::uint8_t>> all = from.read_all();
        if (!all.ok()) {
            return all.code();
        }
        const std::string bytes(all->begin(), all->end());
        const std::lock_guard<std::mutex> guard(lock_);
        items_ = std::stoi(bytes);
        text_ = bytes.substr(bytes.find('\n') + 1);
        return rft::Code::ok;
    }
    // ANCHOR_END: snapshot

  private:
    std::mutex lock_;
    std::string text_;
    int items_ = 0;
};

struct Node {
    List list; // outlives its engine
    std::unique_ptr<rft::Engine> engine;
};

// ANCHOR: transport
// The network: brings messages to their receivers. What does not arrive, raft sends again.
class Network {
  public:
    void put(std::uint64_t id, rft::Engine *engine) {
        const std::lock_guard<std::mutex> guard(lock_);
        engines_.at(id) = engine;
    }

    void deliver(rft::Span<rft::Message> messages) {
        const std::lock_guard<std::mutex> guard(lock_);
        for (const rft::Message message : messages) {
            if (rft::Engine *to = engines_.at(message.to()); to != nullptr) {
                (void)to->step(message.data());
            }
        }
    }

  private:
    std::mutex lock_;
    std::array<rft::Engine *, 4> engines_{}; // node 1 is at 1
};
// ANCHOR_END: transport

namespace {

std::string root;
Network network;
std::array<std::unique_ptr<Node>, 4> nodes;

// ANCHOR: open
void open(std::uint64_t id) {
    nodes.at(id) = std::make_unique<Node>();
    List *list = &nodes.at(id)->list;
    rft::Host host;
    host.send = [](rft::Span<rft::Message> messages) { network.deliver(messages); };
    host.apply = [list](rft::Span<rft::Entry> entries) { list->apply(entries); };
    host.save = [list](rft::SnapshotWriter to) { return list->save(to); };
    host.restore = [list](rft::SnapshotReader from) { return list->restore(from); };
    const rft::Config config(id, {1, 2, 3});
    rft::Result<rft::Engine> engine =
        rft::Engine::open(config, root + "/" + std::to_string(id), std::move(host));
    nodes.at(id)->engine = std::make_unique<rft::Engine>(std::move(engine).value());
    network.put(id, nodes.at(id)->engine.get());
}

void close(std::uint64_t id) {
    network.put(id, nullptr);
    nodes.at(id) = nullptr;
}
// ANCHOR_END: open

// ANCHOR: outcome
// Repeats what had no effect for certain, and may work in a moment: there is no leader yet, say. value()
// throws for all else; rft::Code::unknown and rft::Code::timed_out mean that nobody can tell.
template <class Ask> rft::Outcome patiently(Ask ask) {
    rft::Result<rft::Outcome> result = ask();
    while (!result.ok() && result.status().is_retryable()) {
        std::this_thread::sleep_for(10ms);
        result = ask();
    }
    return std::move(result).value();
}

void add(std::uint64_t id, const char *item) {
    const rft::Outcome outcome = patiently([&] { return nodes.at(id)->engine->call(item, 5s); });
    std::cout << "node " << id << " adds " << item << ": item " << rft::Bytes(outcome.answer).text() << "\n";
}
// ANCHOR_END: outcome

// ANCHOR: read
void show(std::uint64_t id, const char *how) {
    patiently([&] { return nodes.at(id)->engine->read_wait(5s); });
    // The state machine holds now all that was acknowledged anywhere before.
    std::cout << "node " << id << how << " holds" << nodes.at(id)->list.text() << "\n";
}
// ANCHOR_END: read

// Until node 2 knows a leader that is still there.
void wait_for_leader() {
    while (nodes.at(2)->engine->status().value().leader < 2) {
        std::this_thread::sleep_for(10ms);
    }
}

} // namespace

// ANCHOR: story
int main(int argc, char **argv) {
    root = argc > 1 ? argv[1] : "tutorial.data";
    for (const std::uint64_t id : {1, 2, 3}) {
        open(id);
    }
    add(1, "milk"); // whichever node leads: the others hand it on
    add(2, "bread");
    add(3, "eggs");
    for (const std::uint64_t id : {1, 2, 3}) {
        show(id, "");
    }
    close(1);
    std::cout << "node 1 is closed\n";
    wait_for_leader(); // two of three are a majority
    add(2, "tea");
    open(1); // it catches up
    show(1, ", opened again,");
    for (const std::uint64_t id : {1, 2, 3}) {
        close(id);
    }
}
// ANCHOR_END: story
