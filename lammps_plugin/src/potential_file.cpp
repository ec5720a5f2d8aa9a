#include "potential_file.h"

#include <algorithm>
#include <cmath>
#include <cstring>
#include <limits>
#include <set>
#include <stdexcept>

#include "json.h"
#include "sha256.h"

namespace sciml {

namespace {

using LAMMPS_NS::json;

constexpr int format_version = 1;
constexpr int digits = 64;  // of a sha256
// more than any potential has; what is above is no file of ours and would fill the memory
constexpr int largest_size = 4096, most_layers = 64, most_elements = 118, most_radial = 512;
constexpr double shortest_cutoff = 0.7, longest_cutoff = 40.0;

[[noreturn]] void refuse(const std::string& name, const std::string& reason, const std::string& remedy) {
    throw std::runtime_error(name + " " + reason + ". " + remedy + ".");
}

// of an element: a capital letter, and perhaps a small one
bool is_symbol(const std::string& text) {
    const auto within = [](char letter, char first, char last) { return letter >= first && letter <= last; };
    return (text.size() == 1 || (text.size() == 2 && within(text[1], 'a', 'z'))) && within(text[0], 'A', 'Z');
}

const char* const export_again = "Export it again with `sciml export RUN -o FILE`";

struct Entry {
    std::string dtype;
    std::vector<std::int64_t> shape;
    std::size_t begin, end;  // in the file
};

std::size_t width(const std::string& dtype) { return dtype == "F64" ? 8 : dtype == "F32" ? 4 : dtype == "U8" ? 1 : 0; }

class Reader {
public:
    Reader(const std::string& name, std::vector<char> bytes) : name_(name), bytes_(std::move(bytes)) {
        read_header();
        check_sha256();
    }

    PotentialFile read() {
        PotentialFile file;
        try {
            describe(file);
        } catch (const json::exception&) {
            refuse(name_, "does not describe its potential as this plugin needs it", export_again);
        }
        for (const auto& [key, entry] : entries_) {
            if (entry.dtype == "U8") continue;
            Tensor& tensor = file.tensors.by_name[key];
            tensor.shape = entry.shape;
            tensor.values.resize((entry.end - entry.begin) / width(entry.dtype));
            for (std::size_t i = 0; i < tensor.values.size(); ++i) {
                tensor.values[i] = number(entry, i);
                // no weight of a potential is near the largest number of single precision
                if (!(std::fabs(tensor.values[i]) <= std::numeric_limits<float>::max())) refuse(name_, "has weights that are not finite numbers, in `" + key + "`", export_again);
            }
        }
        if (file.backend == "generic") {
            const auto package = entries_.find("package");
            if (package == entries_.end() || package->second.dtype != "U8") refuse(name_, "lacks its compiled package", export_again);
            file.package.assign(bytes_.begin() + long(package->second.begin), bytes_.begin() + long(package->second.end));
        }
        return file;
    }

private:
    std::string name_;
    std::vector<char> bytes_;
    json about_;
    std::string sha256_;
    std::size_t header_end_ = 0;
    std::map<std::string, Entry> entries_;

    [[noreturn]] void foreign() { refuse(name_, "is not a potential for LAMMPS", "Make one with `sciml export RUN -o FILE`"); }

    void read_header() {
        if (bytes_.empty()) refuse(name_, "is empty", export_again);
        std::uint64_t size = 0;
        if (bytes_.size() < 10 || bytes_[8] != '{') foreign();
        for (int i = 0; i < 8; ++i) size |= std::uint64_t(static_cast<unsigned char>(bytes_[i])) << 8 * i;
        if (size > std::uint64_t(1) << 32) foreign();
        if (size > bytes_.size() - 8) refuse(name_, "is truncated: it ends inside its header", "Copy it again, or export it again");
        header_end_ = 8 + std::size_t(size);
        const json header = json::parse(bytes_.begin() + 8, bytes_.begin() + long(header_end_), nullptr, false);
        if (!header.is_object()) foreign();
        std::map<std::uint64_t, std::uint64_t> extents;  // begin and end of each tensor in the data
        std::uint64_t end = 0;
        try {
            const json& metadata = header.at("__metadata__");
            about_ = json::parse(metadata.at("sciml").get<std::string>());
            if (about_.at("format") != "sciml-potential") foreign();
            const json& version = about_.at("format_version");
            if (!version.is_number_integer() || version.get<std::int64_t>() != format_version)
                refuse(name_, "has potential format " + version.dump() + ", but this plugin reads " + std::to_string(format_version),
                       "Export it with the sciml that built the plugin, or upgrade sciml and run `sciml lammps build`");
            sha256_ = about_.at("sha256").get<std::string>();
            for (const auto& [key, value] : header.items()) {
                if (key == "__metadata__") continue;
                Entry entry{value.at("dtype").get<std::string>(), value.at("shape").get<std::vector<std::int64_t>>(), 0, 0};
                const auto offsets = value.at("data_offsets").get<std::vector<std::uint64_t>>();
                const std::uint64_t room = bytes_.size() - header_end_, most = std::uint64_t(1) << 48;
                if (offsets.size() != 2 || offsets[0] > offsets[1] || offsets[1] > most || !width(entry.dtype)) foreign();
                std::uint64_t count = width(entry.dtype);
                for (const std::int64_t extent : entry.shape) {
                    if (extent < 0 || (extent && count > most / std::uint64_t(extent))) foreign();
                    count *= std::uint64_t(extent);
                }
                if (count != offsets[1] - offsets[0]) foreign();
                if (count && !extents.emplace(offsets[0], offsets[1]).second) foreign();
                if (offsets[1] > room) continue;  // truncated, which is said below
                entry.begin = header_end_ + std::size_t(offsets[0]);
                entry.end = header_end_ + std::size_t(offsets[1]);
                entries_[key] = entry;
            }
        } catch (const json::exception&) {
            foreign();
        }
        // one tensor after the other: a file is never smaller than what is in it
        for (const auto& [first, last] : extents) {
            if (first != end) foreign();
            end = last;
        }
        if (bytes_.size() < header_end_ + end)
            refuse(name_, "is truncated: it should have " + std::to_string(header_end_ + end) + " bytes, but has " +
                   std::to_string(bytes_.size()), "Copy it again, or export it again");
    }

    // the digest is of the file with zeros in its own place
    void check_sha256() {
        const auto head_end = bytes_.begin() + long(header_end_);
        const auto place = sha256_.size() == digits ? std::search(bytes_.begin(), head_end, sha256_.begin(), sha256_.end()) : head_end;
        bool same = place != head_end;
        if (same) {
            std::fill(place, place + digits, '0');
            same = sha256(bytes_) == sha256_;
        }
        if (!same)
            refuse(name_, "was altered or damaged after it was written: its contents do not match the sha256 that it carries",
                   "Copy it again, or export it again");
    }

    double number(const Entry& entry, std::size_t i) const {
        const char* from = bytes_.data() + entry.begin + i * width(entry.dtype);
        if (entry.dtype == "F64") {
            double value;
            std::memcpy(&value, from, sizeof value);
            return value;
        }
        float value;
        std::memcpy(&value, from, sizeof value);
        return value;
    }

    int whole(const json& value, int least, int most) {
        const bool sound = value.is_number_integer() && value.get<std::int64_t>() >= least && value.get<std::int64_t>() <= most;
        if (!sound) refuse(name_, "describes a potential that cannot be", export_again);
        return value.get<int>();
    }

    // throws json::exception for what is missing or of another type
    void describe(PotentialFile& file) {
        file.backend = about_.at("backend").get<std::string>();
        file.architecture = about_.at("architecture").get<std::string>();
        file.dtype = about_.at("dtype").get<std::string>();
        file.elements = about_.at("elements").get<std::vector<std::string>>();
        file.reference_energies_ev = about_.at("reference_energies_ev").get<std::vector<double>>();
        file.energy_scale_ev = about_.at("energy_scale_ev").get<double>();
        file.cutoff_angstrom = about_.at("cutoff_angstrom").get<double>();
        file.layers = whole(about_.at("layers"), 1, most_layers);
        for (const char letter : about_.value("trained_on", ""))
            if (letter >= ' ' && letter <= '~') file.trained_on += letter;
        const json& units = about_.at("units");
        if (units.at("length") != "angstrom" || units.at("energy") != "eV") refuse(name_, "has other units than angstrom and eV", export_again);
        const std::size_t n = file.elements.size();
        const std::set<std::string> distinct(file.elements.begin(), file.elements.end());
        bool sound = n >= 1 && n <= most_elements && distinct.size() == n && file.reference_energies_ev.size() == n;
        for (const std::string& element : file.elements) sound = sound && is_symbol(element);
        for (const double energy : file.reference_energies_ev) sound = sound && std::isfinite(energy);
        sound = sound && std::isfinite(file.energy_scale_ev) && file.energy_scale_ev > 0;
        sound = sound && file.cutoff_angstrom >= shortest_cutoff && file.cutoff_angstrom <= longest_cutoff;
        sound = sound && (file.dtype == "float32" || file.dtype == "float64");
        if (!sound) refuse(name_, "describes a potential that cannot be", export_again);
        if (file.backend == "native") {
            if (!has_native(file.architecture))
                refuse(name_, "has the architecture `" + file.architecture + "`, which this plugin has no native code for",
                       "Upgrade sciml and run `sciml lammps build`, or export it with `--backend generic`");
            const json& sizes = about_.at("sizes");
            file.sizes = {file.architecture, int(n), whole(sizes.at("channels"), 2, largest_size), file.layers,
                          whole(sizes.at("radial"), file.architecture == "schnet" ? 2 : 1, most_radial), file.cutoff_angstrom};
        } else if (file.backend == "generic") {
            file.torch_version = about_.at("torch_version").get<std::string>();
        } else {
            refuse(name_, "needs the back end `" + file.backend + "`, which this plugin does not have", "Upgrade sciml and run `sciml lammps build`");
        }
    }
};

}  // namespace

PotentialFile parse_potential(const std::string& name, std::vector<char> bytes) { return Reader(name, std::move(bytes)).read(); }

}  // namespace sciml
