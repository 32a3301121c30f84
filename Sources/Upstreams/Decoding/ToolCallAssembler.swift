import Bytes
import JSON
import Sessions

/// The calls of tools in one answer, put together from pieces as servers really send them: without or with repeated identifiers and
/// indexes, names in pieces, arguments that come late, twice or not at all.
///
/// Numbers the calls itself. A call is told to the sink when its arguments begin or nothing more of its name can come, and each has
/// arguments in the end: `{}`, if none came. `Protocols/upstreams.md`, Calls of tools.
struct ToolCallAssembler: ~Copyable {
    /// A piece of a call, as far as it could be read.
    struct Piece {
        /// The server's number of the call.
        var index: Int?
        /// Where it stands in its list.
        var position = 0
        var id: RawString?
        var name: RawString?
        /// Contents of a JSON string.
        var arguments: UnsafeRawBufferPointer?
        /// Whether its arguments are free text.
        var isCustom = false
        /// What the provider must get back with the call.
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
        /// Whether its arguments are free text, that is never whole before the end.
        var isCustom = false
        /// What the provider must get back, until it is told.
        var provider: ProviderData?
        /// Whether arguments were told.
        var hasArguments = false
        var digest = TextDigest()
        var balance = ArgumentsBalance()
        /// Arguments that came before the name.
        var waiting: [UInt8] = []
        /// Whole arguments that count unless others follow.
        var provisional: [UInt8] = []

        var isWhole: Bool { hasArguments ? balance.isWhole : !provisional.isEmpty }

        /// Whether these are all of its arguments.
        func hasSaid(_ arguments: UnsafeRawBufferPointer) -> Bool {
            if !hasArguments { return arguments.elementsEqual(provisional) }
            return digest.end(in: arguments) == arguments.count
        }
    }

    private var calls: [Call] = []
    /// Whether there were more calls than an answer may have: it is not a whole one then.
    private(set) var hasLeftOut = false
    /// Whether there were arguments of a call that had neither a name nor an identifier.
    private var hasLostArguments = false

    init() {}

    var count: Int { calls.count }

    /// A piece of a call.
    mutating func take<Sink: ModelSink>(_ piece: Piece, _ text: inout AnswerText, into sink: Sink) {
        guard let number = number(of: piece, &text, into: sink) else {
            // Its arguments are whole, but its signature may come behind them.
            if let provider = piece.provider, let known = candidate(for: piece), calls[known].isTold {
                sink.provide(provider, with: .toolCall(known))
            }
            // Once calls were left out, it may well be of one of those, which had a name.
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

    /// Arguments that stand whole where a call begins, and count unless others follow in pieces.
    mutating func setAside(_ arguments: UnsafeRawBufferPointer, index: Int) {
        guard let number = calls.lastIndex(where: { $0.key == index }), !calls[number].hasArguments else { return }
        calls[number].provisional = Array(arguments)
    }

    /// A call whose name is whole begins.
    mutating func begin<Sink: ModelSink>(_ piece: Piece, _ text: inout AnswerText, into sink: Sink) {
        // Told twice, it is one call.
        let isKnown = calls.contains { call in call.key == piece.index && (piece.id.map { $0.equals(call.id) } ?? true) }
        guard !isKnown, let number = open(piece, &text, into: sink), piece.hasName else { return }
        tell(number, &text, into: sink)
    }

    /// Nothing more of the call comes.
    mutating func settle<Sink: ModelSink>(index: Int, _ text: inout AnswerText, into sink: Sink) {
        guard let number = calls.lastIndex(where: { $0.key == index }), !calls[number].name.isEmpty else { return }
        settle(number, &text, into: sink)
    }

    /// Nothing more of any call comes: what is not told yet is, and each has arguments.
    ///
    /// Nobody can be asked to make a call that never got a name. It is left out, and that is told; where nothing else is in the answer,
    /// there is none.
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
        guard saysMore else { throw .malformed("a call of a tool that has no name, and nothing else") }
        sink.noteUnnamedToolCalls(unnamedCount)
    }

    private mutating func settle<Sink: ModelSink>(_ number: Int, _ text: inout AnswerText, into sink: Sink) {
        tell(number, &text, into: sink)
        release(number, &text, into: sink)
        if calls[number].hasArguments || calls[number].isCustom { return }
        calls[number].provisional = Array("{}".utf8)
        release(number, &text, into: sink)
    }

    // MARK: Which call

    private mutating func number<Sink: ModelSink>(of piece: Piece, _ text: inout AnswerText, into sink: Sink) -> Int? {
        guard let known = candidate(for: piece) else {
            return piece.hasName || piece.hasID ? open(piece, &text, into: sink) : nil
        }
        if beginsAnother(piece, after: known) { return open(piece, &text, into: sink) }
        // Arguments that are whole cannot go on: what comes says them again.
        if calls[known].hasArguments, calls[known].isWhole { return nil }
        if let id = piece.id, !id.isEmpty, calls[known].id.isEmpty { calls[known].id = id.string() }
        if let name = piece.name, !name.isEmpty, !calls[known].isTold { extendName(known, name.string()) }
        return known
    }

    /// The call that the piece may belong to.
    private func candidate(for piece: Piece) -> Int? {
        if let index = piece.index { return calls.lastIndex { $0.key == index } }
        if let id = piece.id, !id.isEmpty, let known = calls.lastIndex(where: { id.equals($0.id) }) { return known }
        // Keys of calls without an index are negative.
        return calls.lastIndex { $0.key == -1 - piece.position } ?? (piece.hasName ? nil : calls.indices.last)
    }

    private func beginsAnother(_ piece: Piece, after known: Int) -> Bool {
        let call = calls[known]
        guard let name = piece.name, !name.isEmpty, !call.name.isEmpty else { return false }
        let isOtherID = piece.hasID && !call.id.isEmpty && !(piece.id.map { $0.equals(call.id) } ?? false)
        let isOtherName = !name.equals(call.name)
        if call.hasArguments, !call.isWhole {
            // In the middle of its arguments: a server may give each piece a new identifier, but hardly another name.
            return piece.index == nil && isOtherName
        }
        if call.isWhole {
            guard let arguments = piece.arguments, piece.hasArguments else {
                return isOtherID || isOtherName || piece.index == nil && !piece.hasID
            }
            if isOtherID || isOtherName || piece.index == nil && !piece.hasID { return true }
            // The same once more is a summary; with other arguments it is another call by the same identifier.
            return !call.hasSaid(arguments)
        }
        // Nothing but the name so far: a further piece of it, or a call without arguments and then another.
        return isOtherID || piece.index == nil && (isOtherName || !piece.hasID)
    }

    private mutating func open<Sink: ModelSink>(_ piece: Piece, _ text: inout AnswerText, into sink: Sink) -> Int? {
        guard calls.count < UpstreamLimits.maxToolCalls else {
            hasLeftOut = true
            return nil
        }
        // Nothing more comes of the names of those before.
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

    /// Empty for one that another call of the answer has already, and for one that no client could send back: the sink makes one then.
    private func identifier(of number: Int) -> String {
        let id = calls[number].id
        if id.utf8.count > UpstreamLimits.maxCallIDBytes { return "" }
        return calls[..<number].contains { $0.id == id } ? "" : id
    }

    private mutating func extendName(_ number: Int, _ piece: String) {
        let name = calls[number].name
        if piece == name { return }
        // Some servers send the name so far, each time.
        calls[number].name = piece.hasPrefix(name) ? piece : name + piece
    }

    // MARK: Arguments

    private mutating func append<Sink: ModelSink>(
        _ arguments: UnsafeRawBufferPointer, to number: Int, _ text: inout AnswerText, into sink: Sink
    ) {
        if !calls[number].hasArguments {
            // Behind what waits already, and in free text, each byte counts.
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

    /// Says what waits.
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
    /// Contents of a JSON string that are white space alone.
    fileprivate var isBlank: Bool {
        // Mostly the first byte tells.
        guard let first, first == 0x20 || first == UInt8(ascii: "\\") else { return isEmpty }
        return trimmed.isEmpty
    }

    /// What servers send for a call without arguments, or before they know them.
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
