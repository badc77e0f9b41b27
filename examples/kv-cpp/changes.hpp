/// One change of the membership: its steps, and what they do to every node's address book.
#ifndef KV_CHANGES_HPP
#define KV_CHANGES_HPP

#include <rft/data.hpp>

#include <string>
#include <string_view>
#include <vector>

namespace kv {

struct Changes {
    std::vector<rft::Change> steps;
    std::string addresses; ///< The change's context: "4=127.0.0.1:7004,2="

    /// Gives a node an address; an empty one forgets the node.
    void address(std::uint64_t id, std::string_view address) {
        addresses += (addresses.empty() ? "" : ",") + std::to_string(id) + "=";
        addresses += address;
    }
};

} // namespace kv

#endif // KV_CHANGES_HPP
