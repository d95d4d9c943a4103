"""A simulated WhatsApp Cloud API: numbers, templates, people who have WhatsApp or not, and what they write back."""

from bridged.sim.whatsapp.server import Simulator, running
from bridged.sim.whatsapp.world import Fault, Number, Person, Template, World

__all__ = ["Fault", "Number", "Person", "Simulator", "Template", "World", "running"]
