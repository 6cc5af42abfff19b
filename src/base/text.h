#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace tarn {

// Whole-string conversions; nullopt for anything else (sign for unsigned, spaces, overflow, empty).
std::optional<int64_t> ParseInt64(std::string_view text);
std::optional<uint64_t> ParseUint64(std::string_view text);
std::optional<double> ParseDouble(std::string_view text);

bool IsAscii(std::string_view text);  // no byte above 0x7f
// Capital letters of ASCII are as small ones.
bool EqualsNoCase(std::string_view a, std::string_view b);
uint64_t CountLines(std::string_view text);  // its newlines
// True for well-formed UTF-8: no overlong forms, no surrogates, at most U+10FFFF.
bool IsValidUtf8(std::string_view text);
// Whether it is a byte of a UTF-8 character, but not the first.
constexpr bool ContinuesCharacter(char byte) { return (static_cast<uint8_t>(byte) & 0xc0) == 0x80; }
// Every malformed byte becomes U+FFFD.
std::string ReplaceInvalidUtf8(std::string_view text);
// Every malformed byte becomes \xhh: what differs only there stays apart.
std::string EscapeInvalidUtf8(std::string_view text);
// The front of `text`, of `max_bytes` at most, that ends where a character does.
std::string_view CutText(std::string_view text, size_t max_bytes);

std::vector<std::string_view> Split(std::string_view text, char separator);
std::string Join(const std::vector<std::string>& parts, std::string_view separator);
// As it is typed into a shell: in quotes where it needs some.
std::string ShellWord(std::string_view word);
// An error's text as a program says it: "tarn: text". Where each of several lines begins with the
// same file ("tarn.yaml:3:1: …"), all of them begin so.
std::string SaidBy(std::string_view program, std::string_view text);

// The word of `known` nearest to `word` by edit distance (letters that changed places count once),
// if it is near enough to be what was meant. Of several as near, the first.
std::optional<std::string_view> NearestWord(std::string_view word,
                                            const std::vector<std::string_view>& known);
// What follows a word that is not known: "; did you mean 'word'?" with the nearest of `known`.
// Where none is near, "; " and `see`, or nothing.
std::string DidYouMean(std::string_view word, const std::vector<std::string_view>& known,
                       std::string_view see = {});
std::string DidYouMean(std::string_view meant);  // the same with that word

// "1.5 GB", "12 MB", "300 B": powers of 1,000. "64MB", "1 GB", "512" back to bytes.
std::string FormatBytes(uint64_t bytes);
std::optional<uint64_t> ParseBytes(std::string_view text);
// "90s", "1.5s", "250ms", "2m", "1h", "7d" to microseconds.
std::optional<int64_t> ParseDuration(std::string_view text);

}  // namespace tarn
