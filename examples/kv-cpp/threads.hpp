/// A thread a connection: a write may wait for the cluster, and a connection be idle, without keeping others
/// from theirs. httplib's own pool has few threads, and each idle connection would hold one.
#ifndef KV_THREADS_HPP
#define KV_THREADS_HPP

#include <httplib.h>

#include <condition_variable>
#include <functional>
#include <list>
#include <mutex>
#include <thread>

namespace kv {

class Threads final : public httplib::TaskQueue {
  public:
    /// At the limit, and when the system gives no thread more, the work is done at once by the caller:
    /// `turned_away` tells it to be short.
    void enqueue(std::function<void()> work) override;
    /// Waits until all work is done.
    void shutdown() override;

    static bool turned_away();

  private:
    bool start(std::function<void()> work);
    void join_finished();

    std::mutex lock_; // all below
    std::condition_variable done_;
    std::list<std::thread> running_, finished_;
};

} // namespace kv

#endif // KV_THREADS_HPP
