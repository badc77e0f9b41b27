#include "threads.hpp"

#include <system_error>
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
    const std::lock_guard guard(lock_);
    if (running_.size() == threads_max) {
        return false;
    }
    const auto at = running_.emplace(running_.end());
    try {
        // It ends no sooner than this has let go of the lock.
        *at = std::thread([this, at, work = std::move(work)]() {
            work();
            const std::lock_guard ended(lock_);
            finished_.splice(finished_.end(), running_, at);
            done_.notify_all();
        });
        return true;
    } catch (const std::system_error &) {
        running_.erase(at);
        return false;
    }
}

void Threads::join_finished() {
    std::list<std::thread> finished;
    {
        const std::lock_guard guard(lock_);
        finished.swap(finished_);
    }
    for (std::thread &thread : finished) {
        thread.join();
    }
}

void Threads::enqueue(std::function<void()> work) {
    join_finished();
    if (!start(work)) {
        away = true;
        work();
        away = false;
    }
}

void Threads::shutdown() {
    {
        std::unique_lock guard(lock_);
        done_.wait(guard, [this] { return running_.empty(); });
    }
    join_finished();
}

} // namespace kv
