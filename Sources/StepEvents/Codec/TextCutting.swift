extension String {
    /// The text itself, or as many whole characters (Unicode scalars) of its beginning as fit in `limit` bytes of UTF-8.
    ///
    /// By bytes, since that is what a reader of the log counts: a `Character` may be of any length.
    package func cut(toBytes limit: Int) -> String {
        let utf8 = utf8
        guard utf8.count > limit else { return self }
        var end = utf8.index(utf8.startIndex, offsetBy: limit)
        // The second and later bytes of a scalar are 10xxxxxx.
        while end > utf8.startIndex, utf8[end] & 0xC0 == 0x80 { end = utf8.index(before: end) }
        return String(unicodeScalars[..<end])
    }
}
