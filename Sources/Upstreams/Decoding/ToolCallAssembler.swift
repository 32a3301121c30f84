import Bytes
import JSON
import Sessions

/// Assembles the tool calls of one answer from pieces as servers really send them: identifiers and indexes missing or repeated,
/// names in pieces, arguments late, twice or missing.
///
/// Numbers the calls itself. A call is reported to the sink once its arguments begin or its name is complete, and every call ends
/// with arguments: `{}` if none were received. See `Protocols/upstreams.md`, Calls of tools.
struct ToolCallAssembler: ~Copyable {
    /// The readable parts of a piece of a call.
    struct Piece {
        /// The server's index of the call.
        var index: Int?
        /// Position in its list.
        var position = 0
        var id: RawString?
        var name: RawString?
        /// Contents of a JSON string.
        var arguments: UnsafeRawBufferPointer?
        /// Whether the arguments are free text.
        var isCustom = false
        /// Data that must be returned to the provider with the call.
        var provider: ProviderData?

        var hasID: Bool { id.map { !$0.isEmpty } ?? false }
        var hasName: Bool { name.map { !$0.isEmpty } ?? false }
        var hasArguments: Bool { arguments.map { !$0.isBlank } ?? false }
    }

    private struct Call {
        var key: Int
        /// The server's identifier, which several calls of one answer may share.
        var id: String
        var name: String
        var isTold = false
        /// Whether the arguments are free text, which is never complete before the end.
        var isCustom = false
        /// Data that must be returned to the provider; nil once reported.
        var provider: ProviderData?
        /// Whether any arguments were reported.
        var hasArguments = false
        var digest = TextDigest()
        var balance = ArgumentsBalance()
        /// Arguments received before the name.
        var waiting: [UInt8] = []
        /// Complete arguments that apply unless others follow.
        var provisional: [UInt8] = []

        var isWhole: Bool { hasArguments ? balance.isWhole : !provisional.isEmpty }

        /// Whether `arguments` repeat all of the call's arguments.
        func hasSaid(_ arguments: UnsafeRawBufferPointer) -> Bool {
            if !hasArguments { return arguments.elementsEqual(provisional) }
            return digest.end(in: arguments) == arguments.count
        }
    }

    private var calls: [Call] = []
    /// Whether calls exceeded the limit for an answer, which is then incomplete.
    private(set) var hasLeftOut = false
    /// Whether arguments were received for a call with neither a name nor an identifier.
    private var hasLostArguments = false

    init() {}

    var count: Int { calls.count }

    /// Takes a piece of a call.
    mutating func take<Sink: ModelSink>(_ piece: Piece, _ text: inout AnswerText, into sink: Sink) {
        guard let number = number(of: piece, &text, into: sink) else {
            // The arguments are complete, but a signature may still follow.
            if let provider = piece.provider, let known = candidate(for: piece), calls[known].isTold {
                sink.provide(provider, with: .toolCall(known))
            }
            // Once calls have been dropped, the piece may belong to one of those, which had a name.
            let isUnattributable = !piece.hasName && !piece.hasID && candidate(for: piece) == nil
            if piece.hasArguments, isUnattributable, !hasLeftOut { hasLostArguments = true }
            return
        }
        if let provider = piece.provider {
            if calls[number].isTold { sink.provide(provider, with: .toolCall(number)) } else { calls[number].provider = provider }
        }
        guard let arguments = piece.arguments, !arguments.isEmpty else { return }
        append(arguments, to: number, &text, into: sink)
    }

    /// Stores complete arguments from the start of a call, which apply unless others follow in pieces.
    mutating func setAside(_ arguments: UnsafeRawBufferPointer, index: Int) {
        guard let number = calls.lastIndex(where: { $0.key == index }), !calls[number].hasArguments else { return }
        calls[number].provisional = Array(arguments)
    }

    /// Opens a call whose name is complete.
    mutating func begin<Sink: ModelSink>(_ piece: Piece, _ text: inout AnswerText, into sink: Sink) {
        // A call announced twice is one call.
        let isKnown = calls.contains { call in call.key == piece.index && (piece.id.map { $0.equals(call.id) } ?? true) }
        guard !isKnown, let number = open(piece, &text, into: sink), piece.hasName else { return }
        tell(number, &text, into: sink)
    }

    /// Closes a call: none of its pieces follow.
    mutating func settle<Sink: ModelSink>(index: Int, _ text: inout AnswerText, into sink: Sink) {
        guard let number = calls.lastIndex(where: { $0.key == index }), !calls[number].name.isEmpty else { return }
        settle(number, &text, into: sink)
    }

    /// Ends the answer: reports the calls not reported yet, each with arguments.
    ///
    /// A call that never got a name cannot be made. It is dropped, and the drop is reported; if the answer has nothing else, it
    /// failed.
    mutating func conclude<Sink: ModelSink>(_ text: inout AnswerText, into sink: Sink) throws(UpstreamFault) {
        var unnamedCount = 0
        for number in calls.indices {
            if calls[number].isTold || !calls[number].name.isEmpty {
                settle(number, &text, into: sink)
            } else {
                unnamedCount += 1
            }
        }
        if hasLostArguments { unnamedCount = max(1, unnamedCount) }
        if unnamedCount == 0 { return }
        let saysMore = text.hasSaid(.text) || text.hasSaid(.refusal) || calls.contains(where: \.isTold)
        guard saysMore else { throw .malformed("nothing but a tool call without a name") }
        sink.noteUnnamedToolCalls(unnamedCount)
    }

    private mutating func settle<Sink: ModelSink>(_ number: Int, _ text: inout AnswerText, into sink: Sink) {
        tell(number, &text, into: sink)
        release(number, &text, into: sink)
        if calls[number].hasArguments || calls[number].isCustom { return }
        calls[number].provisional = Array("{}".utf8)
        release(number, &text, into: sink)
    }

    // MARK: Assignment of pieces

    private mutating func number<Sink: ModelSink>(of piece: Piece, _ text: inout AnswerText, into sink: Sink) -> Int? {
        guard let known = candidate(for: piece) else {
            return piece.hasName || piece.hasID ? open(piece, &text, into: sink) : nil
        }
        if beginsAnother(piece, after: known) { return open(piece, &text, into: sink) }
        // Complete arguments cannot continue: this piece repeats them.
        if calls[known].hasArguments, calls[known].isWhole { return nil }
        if let id = piece.id, !id.isEmpty, calls[known].id.isEmpty { calls[known].id = id.string() }
        if let name = piece.name, !name.isEmpty, !calls[known].isTold { extendName(known, name.string()) }
        return known
    }

    /// The call to which the piece may belong.
    private func candidate(for piece: Piece) -> Int? {
        if let index = piece.index { return calls.lastIndex { $0.key == index } }
        if let id = piece.id, !id.isEmpty, let known = calls.lastIndex(where: { id.equals($0.id) }) { return known }
        // Calls without an index have negative keys.
        return calls.lastIndex { $0.key == -1 - piece.position } ?? (piece.hasName ? nil : calls.indices.last)
    }

    private func beginsAnother(_ piece: Piece, after known: Int) -> Bool {
        let call = calls[known]
        guard let name = piece.name, !name.isEmpty, !call.name.isEmpty else { return false }
        let isOtherID = piece.hasID && !call.id.isEmpty && !(piece.id.map { $0.equals(call.id) } ?? false)
        let isOtherName = !name.equals(call.name)
        if call.hasArguments, !call.isWhole {
            // In the middle of the arguments: a server may give every piece a new identifier, but hardly another name.
            return piece.index == nil && isOtherName
        }
        if call.isWhole {
            guard let arguments = piece.arguments, piece.hasArguments else {
                return isOtherID || isOtherName || piece.index == nil && !piece.hasID
            }
            if isOtherID || isOtherName || piece.index == nil && !piece.hasID { return true }
            // The same arguments again are a summary; others belong to another call with the same identifier.
            return !call.hasSaid(arguments)
        }
        // Only the name so far: the piece continues it, or the call has no arguments and another follows.
        return isOtherID || piece.index == nil && (isOtherName || !piece.hasID)
    }

    private mutating func open<Sink: ModelSink>(_ piece: Piece, _ text: inout AnswerText, into sink: Sink) -> Int? {
        guard calls.count < UpstreamLimits.maxToolCalls else {
            hasLeftOut = true
            return nil
        }
        // The names of earlier calls are complete.
        for number in calls.indices where !calls[number].hasArguments && !calls[number].name.isEmpty {
            tell(number, &text, into: sink)
            release(number, &text, into: sink)
        }
        calls.append(
            Call(
                key: piece.index ?? -1 - piece.position, id: piece.id?.string() ?? "", name: piece.name?.string() ?? "",
                isCustom: piece.isCustom))
        return calls.count - 1
    }

    /// Empty for an identifier that an earlier call has or that no client could send back; the sink then generates one.
    private func identifier(of number: Int) -> String {
        let id = calls[number].id
        if id.utf8.count > UpstreamLimits.maxCallIDBytes { return "" }
        return calls[..<number].contains { $0.id == id } ? "" : id
    }

    private mutating func extendName(_ number: Int, _ piece: String) {
        let name = calls[number].name
        if piece == name { return }
        // Some servers repeat the name so far in every piece.
        calls[number].name = piece.hasPrefix(name) ? piece : name + piece
    }

    // MARK: Arguments

    private mutating func append<Sink: ModelSink>(
        _ arguments: UnsafeRawBufferPointer, to number: Int, _ text: inout AnswerText, into sink: Sink
    ) {
        if !calls[number].hasArguments {
            // Once arguments are waiting, and in free text, every byte counts.
            let isPlain = calls[number].waiting.isEmpty && !calls[number].isCustom
            if isPlain, arguments.isBlank { return }
            if calls[number].name.isEmpty {
                if calls[number].waiting.count + arguments.count <= UpstreamLimits.maxWaitingArgumentBytes {
                    calls[number].waiting += arguments
                }
                return
            }
            if isPlain, arguments.isNoArguments {
                if calls[number].provisional.isEmpty { calls[number].provisional = Array("{}".utf8) }
                return
            }
            tell(number, &text, into: sink)
            calls[number].provisional = []
            release(number, &text, into: sink)
        }
        say(arguments, of: number, &text, into: sink)
    }

    private mutating func say<Sink: ModelSink>(
        _ arguments: UnsafeRawBufferPointer, of number: Int, _ text: inout AnswerText, into sink: Sink
    ) {
        calls[number].hasArguments = true
        if !calls[number].isCustom {
            calls[number].digest.add(arguments)
            calls[number].balance.add(arguments)
        }
        text.write(escaped: arguments, as: .arguments(number), into: sink)
    }

    private mutating func tell<Sink: ModelSink>(_ number: Int, _ text: inout AnswerText, into sink: Sink) {
        if calls[number].isTold { return }
        calls[number].isTold = true
        text.flush(into: sink)
        text.deliveredCall()
        if let provider = calls[number].provider { sink.provide(provider, with: .toolCall(number)) }
        calls[number].provider = nil
        if calls[number].isCustom {
            sink.customToolCall(index: number, callID: identifier(of: number), name: calls[number].name)
        } else {
            sink.toolCall(index: number, callID: identifier(of: number), name: calls[number].name)
        }
    }

    /// Reports the arguments that were waiting.
    private mutating func release<Sink: ModelSink>(_ number: Int, _ text: inout AnswerText, into sink: Sink) {
        let arguments = calls[number].waiting.isEmpty ? calls[number].provisional : calls[number].waiting
        calls[number].waiting = []
        calls[number].provisional = []
        if arguments.isEmpty { return }
        arguments.withUnsafeBytes { say($0, of: number, &text, into: sink) }
    }
}

extension RawString {
    fileprivate func equals(_ text: String) -> Bool {
        var text = text
        return text.withUTF8 { equals(utf8: UnsafeRawBufferPointer($0)) }
    }
}

extension UnsafeRawBufferPointer {
    /// Whether the contents of the JSON string are only white space.
    fileprivate var isBlank: Bool {
        // The first byte nearly always decides.
        guard let first, first == 0x20 || first == UInt8(ascii: "\\") else { return isEmpty }
        return trimmed.isEmpty
    }

    /// Placeholder that servers send for a call without arguments, or before they are known.
    fileprivate var isNoArguments: Bool {
        if count > 16 { return false }
        let text = trimmed
        return text == "{}" || text == "null" || text == "None" || text == "\\\"\\\""
    }

    private var trimmed: String {
        String(decoding: self, as: UTF8.self).replacing("\\n", with: " ").replacing("\\r", with: " ").replacing("\\t", with: " ")
            .filter { $0 != " " }
    }
}
