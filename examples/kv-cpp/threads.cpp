#include "threads.hpp"

#include <system_error>
#include <thread>
#include <utility>

namespace kv {

namespace {

constexpr std::size_t threads_max = 500;
thread_local bool away = false;

} // namespace

bool Threads::turned_away() {
    return away;
}

bool Threads::start(std::function<void()> work) {
    {
        const std::lock_guard guard(lock_);
        if (running_ == threads_max) {
            return false;
        }
        running_++;
    }
    const auto leave = [this] {
        const std::lock_guard guard(lock_);
        running_--;
        done_.notify_all();
    };
    try {
        std::thread([leave, work = std::move(work)]() mutable {
            work();
            work = nullptr;
            leave();
        }).detach();
        return true;
    } catch (const std::system_error &) {
        leave();
        return false;
    }
}

void Threads::enqueue(std::function<void()> work) {
    if (!start(work)) {
        away = true;
        work();
        away = false;
    }
}

void Threads::shutdown() {
    std::unique_lock guard(lock_);
    done_.wait(guard, [this] { return running_ == 0; });
}

} // namespace kv
