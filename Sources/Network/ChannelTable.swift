/// The channels registered with a loop, in reusable slots. The kernel returns a *token* with each event: the slot and its
/// generation, so that a late event for a removed channel finds none.
struct ChannelTable {
    private struct Slot {
        var channel: Channel?
        var generation: UInt32 = 0
    }

    private var slots: [Slot] = []
    private var freeSlots: [UInt32] = []

    /// - Returns: the token.
    mutating func insert(_ channel: Channel) -> UInt64 {
        let slot: UInt32
        if let free = freeSlots.popLast() {
            slot = free
        } else {
            slot = UInt32(slots.count)
            slots.append(Slot())
        }
        slots[Int(slot)].channel = channel
        channel.slot = slot
        return token(slot)
    }

    /// nil if it is not registered.
    func token(of channel: Channel) -> UInt64? { channel.slot == Channel.noSlot ? nil : token(channel.slot) }

    private func token(_ slot: UInt32) -> UInt64 { UInt64(slots[Int(slot)].generation) << 32 | UInt64(slot) }

    /// The channel of a token; nil if it has been removed.
    @inline(__always) subscript(_ token: UInt64) -> Channel? {
        let index = Int(token & 0xFFFF_FFFF)
        guard index < slots.count, slots[index].generation == UInt32(token >> 32) else { return nil }
        return slots[index].channel
    }

    mutating func remove(_ channel: Channel) {
        let slot = channel.slot
        guard slot != Channel.noSlot else { return }
        slots[Int(slot)].channel = nil
        slots[Int(slot)].generation &+= 1
        freeSlots.append(slot)
        channel.slot = Channel.noSlot
    }

    /// Passes the channel's slot and token to another.
    /// - Returns: false if it is not registered.
    mutating func replace(_ channel: Channel, by successor: Channel) -> Bool {
        guard channel.slot != Channel.noSlot else { return false }
        slots[Int(channel.slot)].channel = successor
        successor.slot = channel.slot
        channel.slot = Channel.noSlot
        return true
    }

    var registered: [Channel] { slots.compactMap(\.channel) }
}
